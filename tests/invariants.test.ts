import { CaasClient } from '@caas/client';
import { until } from '@caas/kit/testing/until';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { digestOf } from './support/checker.ts';
import { Faults, type Held } from './support/faults.ts';
import { signIn, type TestPlatform, type TestUser, testPlatform } from './support/platform.ts';
import { type Frame, RawClient } from './support/raw-client.ts';
import { anotherTenant, operatorToken } from './support/tenants.ts';

/** The numbered invariants of the design that are about what is kept and for whom; 11 and 12 are in invariants-bounds.test.ts. */
describe('invariant', () => {
  const faults = new Faults();
  let platform: TestPlatform;
  const users = new Map<string, TestUser>();
  let clients: { close(): unknown }[] = [];
  let conversations = 0;

  beforeAll(async () => {
    platform = await testPlatform({
      between: faults.between,
      operatorToken,
      limits: { framesPerMinute: 100_000, sendsPerSecond: 10_000, sendsBurst: 10_000 },
    });
    for (const name of ['alice', 'bob', 'carol', 'dave']) users.set(name, await signIn(platform, name));
  });
  afterEach(async () => {
    faults.heal();
    for (const client of clients) await client.close();
    clients = [];
    await untilNothingIsAway();
  });
  afterAll(() => platform.stop());

  const nodesHealth = (): Promise<Frame[]> =>
    Promise.all(
      platform.socketUrls.map(async (url) => {
        const response = await fetch(`${url.replace('ws', 'http')}/health/ready`);
        return { code: response.status, ...((await response.json()) as object) };
      }),
    );
  const untilNothingIsAway = (): Promise<Frame[]> =>
    until('the nodes miss nothing', nodesHealth, (nodes) => nodes.every((node) => node.degraded === undefined));
  const user = (name: string): TestUser => users.get(name) as TestUser;
  const open = async (who: string | TestUser, node: number): Promise<RawClient> => {
    const { accessToken } = typeof who === 'string' ? user(who) : who;
    const client = await RawClient.open(platform.socketUrls[node] as string, accessToken);
    clients.push(client);
    return client;
  };
  /** A conversation of its own for each test. */
  const group = async (owner: RawClient, ...members: string[]): Promise<string> => {
    const memberIds = members.map((name) => user(name).userId);
    const create = { kind: 'CONVERSATION_KIND_GROUP', memberIds, clientRef: `group-${++conversations}` };
    return (await owner.ask({ createConversation: create })).conversation.conversation.conversationId;
  };
  const sending = (conversationId: string, clientMsgId: string, text: string, retry = false): Frame => ({
    sendMessage: { conversationId, clientMsgId, content: { text }, ...(retry && { retry }) },
  });
  const history = async (client: RawClient, conversationId: string): Promise<Frame> =>
    (await client.ask({ getHistory: { conversationId, limit: 200 } })).history;
  const textsIn = async (client: RawClient, conversationId: string): Promise<string[]> =>
    ((await history(client, conversationId)).messages ?? []).map((m: Frame) => m.content?.text);
  /** The list once it has so many messages. A node that took the store for away says to try again until its next check. */
  const committed = (client: RawClient, conversationId: string, count: number): Promise<string[]> =>
    until(
      'committed',
      async () => {
        const { history, error } = await client.ask({ getHistory: { conversationId, limit: 200 } });
        if (error && !error.retryable) throw new Error(`history is refused: ${error.reason}`);
        return (history?.messages ?? []).map((m: Frame) => m.content?.text);
      },
      (texts) => texts.length >= count,
    );
  const messageOf = (text: string) => (f: Frame) => f.event?.message?.content?.text === text;
  const answerTo = (id: string) => (f: Frame) => f.id === id;
  const ofTopic = (topic: string) => (args: Frame) => args[0].some((record: Frame) => record.topic === topic);

  test('1: accepted means kept: no answer and no delivery before the log holds it, none where it refused', async () => {
    const [a, b] = [await open('alice', 0), await open('bob', 1)];
    const id = await group(a, 'bob');
    const log = faults.hold('log.append', ofTopic('message.sent'));
    a.send(JSON.stringify({ id: 's1', ...sending(id, 'm1', 'held') }));
    await until('the log was asked', () => log.held, Boolean);
    // What comes after on the same ways is there, the message is not.
    for (const client of [a, b]) await client.ask({ getUsers: { userIds: [] } });
    expect(a.frames.find(answerTo('s1'))).toBeUndefined();
    expect([...a.frames, ...b.frames].filter(messageOf('held'))).toEqual([]);
    log.release();
    expect((await a.waitFor(answerTo('s1'))).reply.accepted.position).toBeGreaterThan(0);
    await b.waitFor(messageOf('held'));
    expect(await committed(b, id, 1)).toEqual(['held']);

    const back = faults.away('log.append', ofTopic('message.sent'));
    const { error } = await a.ask(sending(id, 'm2', 'refused'));
    back();
    expect(error).toMatchObject({ reason: 'ERROR_REASON_UNAVAILABLE', retryable: true });
    await b.ask({ getUsers: { userIds: [] } });
    expect([...a.frames, ...b.frames].filter(messageOf('refused'))).toEqual([]);
    expect((await a.ask(sending(id, 'm2', 'refused', true))).accepted).toBeDefined();
    expect(await committed(b, id, 2)).toEqual(['held', 'refused']);
  });

  test('1: a message that is rejected after its acceptance is told to every connection of its sender', async () => {
    const [one, two] = [await open('alice', 0), await open('alice', 1)];
    const id = await group(one, 'bob');
    // Both nodes accept before either message is committed.
    const commit = faults.hold('store.messages.write');
    const first = (await one.ask(sending(id, 'same', 'first'))).accepted;
    const second = (await two.ask(sending(id, 'same', 'second'))).accepted;
    commit.release();
    expect(second.messageId).toBe(first.messageId);
    for (const client of [one, two]) {
      const { rejected } = (await client.waitFor((f) => f.event?.rejected?.conversationId === id)).event;
      expect(rejected).toMatchObject({
        messageId: first.messageId,
        clientMsgId: 'same',
        position: second.position,
        error: { reason: 'ERROR_REASON_IDEMPOTENCY_CONFLICT', traceId: expect.stringMatching(/^[0-9a-f]{32}$/) },
      });
    }
    expect(await committed(one, id, 1)).toEqual(['first']);
  });

  test('2: one order: clients of all nodes who talk at once have the same list, in the order of the log, and its digest', async () => {
    const names = ['alice', 'bob', 'carol', 'dave'];
    const sdks = names.map(
      (name, i) =>
        new CaasClient({
          urls: [platform.socketUrls[i % 2] as string],
          getToken: async () => user(name).accessToken,
        }),
    );
    clients.push(...sdks);
    await Promise.all(sdks.map((sdk) => sdk.connect()));
    const raw = await open('alice', 0);
    const id = await group(raw, 'bob', 'carol', 'dave');
    const told: string[][] = sdks.map(() => []);
    for (const [i, sdk] of sdks.entries()) {
      sdk.conversation(id);
      sdk.on('committed', ({ messageId }) => told[i]?.push(messageId));
    }
    await until('loaded', () => sdks.every((sdk) => sdk.conversation(id).isLoaded), Boolean);
    await Promise.all(
      sdks.flatMap((sdk, s) => Array.from({ length: 100 }, (_, i) => sdk.sendMessage(id, { text: `${s}:${i}` }))),
    );
    await until(
      'all have all',
      () => sdks.map((sdk) => sdk.conversation(id).head.lastSeq),
      (seqs) => seqs.every((seq) => seq === 400),
    );
    const lists = sdks.map((sdk) => sdk.conversation(id).messages());
    const ids = (lists[0] ?? []).map((m) => m.messageId);
    for (const [i, list] of lists.entries()) {
      expect(list.map((m) => m.messageId)).toEqual(ids);
      expect(list.map((m) => m.position)).toEqual(list.map((m) => m.position).toSorted((x, y) => x - y));
      expect(told[i]).toEqual(ids);
      expect(sdks[i]?.conversation(id).head.digest).toBe(digestOf(ids));
      expect(sdks[i]?.stats().divergences).toBe(0);
      const own = list.map((m) => m.content?.text ?? '').filter((text) => text.startsWith(`${i}:`));
      expect(own).toEqual(Array.from({ length: 100 }, (_, n) => `${i}:${n}`));
    }
  });

  test('3: gap-free: what is written but not committed is seen by nobody, then all of it, seq by seq', async () => {
    const [a, b] = [await open('alice', 0), await open('bob', 1)];
    const id = await group(a, 'bob');
    // From before the first message, so that there is something to tell of.
    const { cursor } = (await b.ask({ sync: { conversations: [{ conversationId: id }] } })).sync.deltas[0];
    await a.ask(sending(id, 'm1', 'one'));
    await committed(b, id, 1);
    const commit = faults.hold('store.conversations.commit');
    for (const text of ['two', 'three', 'four']) await a.ask(sending(id, text, text));
    await until('written, not committed', () => commit.held, Boolean);
    const page = await history(b, id);
    expect(page.messages.map((m: Frame) => m.seq)).toEqual([1]);
    expect(page.head.lastSeq).toBe(1);
    const [delta] = (await b.ask({ sync: { conversations: [{ conversationId: id, cursor }] } })).sync.deltas;
    expect(delta.messages.map((m: Frame) => m.seq)).toEqual([1]);
    const [whole] = (await b.ask({ sync: { conversations: [{ conversationId: id }] } })).sync.deltas;
    expect(whole.messages.map((m: Frame) => m.seq)).toEqual([1]);
    expect((await b.ask({ getConversation: { conversationId: id } })).conversation.unreadCount).toBe(1);
    commit.release();
    await committed(b, id, 4);
    expect((await history(b, id)).messages.map((m: Frame) => m.seq)).toEqual([1, 2, 3, 4]);
    expect((await b.ask({ getConversation: { conversationId: id } })).conversation.unreadCount).toBe(4);
  });

  test('4: sync never skips: small pages under changes add up to the whole, and what is not whole says so', async () => {
    const [a, b] = [await open('alice', 0), await open('bob', 1)];
    const id = await group(a, 'bob');
    const ids: string[] = [];
    const say = async (n: number) => {
      for (let i = 0; i < n; i++)
        ids.push((await a.ask(sending(id, `m${ids.length}`, `m${ids.length}`))).accepted.messageId);
    };
    await say(20);
    await committed(b, id, 20);
    const list = new Map<number, Frame>();
    const ask = async (cursor: string, limit = 500): Promise<Frame> =>
      (await b.ask({ sync: { conversations: [{ conversationId: id, cursor }], limit } })).sync.deltas[0];
    const take = (delta: Frame): string => {
      for (const m of delta.messages ?? []) list.set(m.seq, m);
      return delta.cursor;
    };
    let cursor = take(await ask(''));
    // Changes of every kind between the pages, also to what earlier pages told.
    await say(30);
    await committed(b, id, 50);
    for (let page = 0, more = true; more; page++) {
      const delta = await ask(cursor, 7);
      cursor = take(delta);
      more = delta.more ?? false;
      if (page > 5) continue;
      const act = { conversationId: id, messageId: ids[page * 3] };
      await a.ask({ editMessage: { ...act, content: { text: `edited ${page}` } } });
      await b.ask({ setReaction: { conversationId: id, messageId: ids[page * 3 + 1], kind: '👍', present: true } });
      const gone = { conversationId: id, messageId: ids[page * 3 + 2], scope: 'DELETE_SCOPE_FOR_EVERYONE' };
      await a.ask({ deleteMessage: gone });
      await say(3);
    }
    await until(
      'all changes are told',
      async () => {
        let delta = await ask(cursor, 7);
        cursor = take(delta);
        while (delta.more) {
          delta = await ask(cursor, 7);
          cursor = take(delta);
        }
        return { list: [...list.values()].sort((x, y) => x.seq - y.seq), now: (await history(b, id)).messages };
      },
      ({ list: synced, now }) =>
        now.length === ids.length &&
        now.filter((m: Frame) => m.deletedAtMs > 0).length === 6 &&
        JSON.stringify(synced) === JSON.stringify(now),
    );

    // From the start with more than fits: explicit, and the digest goes on from where it starts.
    const part = await ask('', 10);
    expect(part.limited).toMatchObject({ startSeq: ids.length - 10 });
    expect(part.limited.startDigest).toBe(digestOf(ids.slice(0, -10)));
    expect(part.head.digest).toBe(digestOf(ids));
    // A cursor of nobody's, or of another conversation, is refused and not taken for one at the end.
    const other = await group(a, 'bob');
    const [foreign] = (await b.ask({ sync: { conversations: [{ conversationId: other, cursor }] } })).sync.deltas;
    expect(foreign.refused).toBe('ERROR_REASON_CURSOR_INVALID');
    // A store that reads behind its own head must not look whole.
    await say(2);
    await committed(b, id, ids.length);
    const whole = [
      faults.falsify<{ documents: Frame[]; more: boolean }>('store.messages.changedSince', ({ documents, more }) => ({
        documents: documents.slice(0, -1),
        more,
      })),
      faults.falsify<Frame[]>('store.messages.page', (rows) => rows.slice(0, -1)),
    ];
    const lagging = await ask(cursor);
    for (const again of whole) again();
    expect(lagging).toMatchObject({ refused: 'ERROR_REASON_HISTORY_UNAVAILABLE' });
    expect(lagging.messages).toBeUndefined();
    const later = await ask(cursor);
    expect(later.messages.map((m: Frame) => m.messageId)).toEqual(ids.slice(-2));
  });

  test('5: retry is safe: on any node, before and after the commit, over a crash: one message and one answer', async () => {
    const [a, second] = [await open('alice', 0), await open('alice', 1)];
    const id = await group(a, 'bob');
    const hold = faults.hold('store.messages.write');
    const { messageId, position } = (await a.ask(sending(id, 'm', 'once'))).accepted;
    // The same node answers from memory, the other one writes it again.
    expect((await a.ask(sending(id, 'm', 'once'))).accepted).toMatchObject({ messageId, position });
    expect((await a.ask(sending(id, 'm', 'other'))).error.reason).toBe('ERROR_REASON_IDEMPOTENCY_CONFLICT');
    expect((await second.ask(sending(id, 'm', 'once', true))).accepted.messageId).toBe(messageId);
    hold.release();
    await committed(a, id, 1);
    expect((await second.ask(sending(id, 'm2', 'mark'))).accepted.messageId).not.toBe(messageId);
    expect(await committed(a, id, 2)).toEqual(['once', 'mark']);

    await platform.services.get('socket-1')?.crash();
    await platform.services.get('socket-1')?.restart();
    const again = await open('alice', 0);
    expect((await again.ask(sending(id, 'm', 'once', true))).accepted).toMatchObject({ messageId, position });
    expect((await again.ask(sending(id, 'm', 'other', true))).error.reason).toBe('ERROR_REASON_IDEMPOTENCY_CONFLICT');
    // Without saying that it is a retry it goes to the log, and the worker knows it.
    expect((await again.ask(sending(id, 'm', 'once'))).accepted.messageId).toBe(messageId);
    await again.ask(sending(id, 'm3', 'end'));
    expect(await committed(again, id, 3)).toEqual(['once', 'mark', 'end']);
    // Another sender's id of the same name, or the same in another conversation, is another message.
    const b = await open('bob', 1);
    expect((await b.ask(sending(id, 'm', 'once'))).accepted.messageId).not.toBe(messageId);
    const elsewhere = await group(again, 'bob');
    expect((await again.ask(sending(elsewhere, 'm', 'once'))).accepted.messageId).not.toBe(messageId);
  });

  test('6: the shared state may vanish: nothing is lost, sessions and their ends hold, and the fast way recovers', async () => {
    const [a, b] = [await open('alice', 0), await open('bob', 1)];
    const id = await group(a, 'bob');
    await a.ask(sending(id, 'm0', 'before'));
    await b.waitFor(messageOf('before'));
    const guest = await signIn(platform, 'guest');
    const theirs = await open(guest, 1);

    platform.flushSharedState();
    const { accepted } = await a.ask(sending(id, 'm1', 'in the gap'));
    // By the fast way or by the comparing of heads.
    await b.waitFor(
      (f) => messageOf('in the gap')(f) || (f.event?.head?.conversationId === id && f.event.head.lastSeq === 2),
    );
    expect(await committed(b, id, 2)).toEqual(['before', 'in the gap']);
    expect(accepted.messageId).toBe((await history(b, id)).messages[1].messageId);
    // The fast way is back by itself, without anyone connecting anew.
    let n = 0;
    await until(
      'a message comes by the fast way',
      async () => {
        await a.ask(sending(id, `again-${++n}`, `again ${n}`));
        const mark = messageOf(`again ${n}`);
        await b.ask({ getUsers: { userIds: [] } });
        return b.frames.some(mark);
      },
      Boolean,
      5_000,
    );
    const { presence } = await b.ask({ watchPresence: { userIds: [user('alice').userId] } });
    expect(presence.presences[0]).toMatchObject({ online: true });
    // Sessions live elsewhere: one that is ended when the state vanishes stays ended.
    const ended = fetch(`${platform.gatewayUrl}/api/v1/auth/sessions/${guest.sessionId}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${guest.accessToken}` },
    });
    platform.flushSharedState();
    expect((await ended).status).toBe(204);
    platform.flushSharedState();
    expect(await theirs.waitClosed()).toMatchObject({ code: 4404 });
    const refused = new RawClient(platform.socketUrls[0] as string, guest.accessToken);
    expect((await refused.waitFor((f) => f.error)).error.reason).toBe('ERROR_REASON_SESSION_REVOKED');
    await refused.waitClosed();
    expect((await open('bob', 0)).frames[0].event.welcome.userId).toBe(user('bob').userId);
  });

  test('7: the store may be away: live messages go on, what needs it says to try again, and it catches up', async () => {
    const [a, b] = [await open('alice', 0), await open('bob', 1)];
    const id = await group(a, 'bob');
    await a.ask(sending(id, 'm1', 'with it'));
    await committed(b, id, 1);
    const back = faults.away('store.');
    try {
      for (const text of ['two', 'three']) {
        expect((await a.ask(sending(id, text, text))).accepted).toBeDefined();
        await b.waitFor(messageOf(text));
      }
      // A retry that can't be looked up is not refused, the worker knows it; nor is it shown, for it may be deleted since.
      expect((await b.ask(sending(id, 'four', 'four', true))).accepted).toBeDefined();
      for (const command of [
        { getHistory: { conversationId: id } },
        { getThread: { conversationId: id, rootMessageId: 'nobody' } },
        { listPins: { conversationId: id } },
        { sync: { conversations: [{ conversationId: id }] } },
        { listConversations: {} },
        { getConversation: { conversationId: id } },
        { listMembers: { conversationId: id } },
      ])
        expect((await b.ask(command)).error).toMatchObject({
          reason: 'ERROR_REASON_HISTORY_UNAVAILABLE',
          retryable: true,
          traceId: expect.stringMatching(/^[0-9a-f]{32}$/),
        });
    } finally {
      back();
    }
    expect(await committed(b, id, 4)).toEqual(['with it', 'two', 'three', 'four']);
  });

  test('7: the store may be away: once a node knows, no command waits for an answer of it, nor what is sent after', async () => {
    const [a] = [await open('alice', 0)];
    const id = await group(a, 'bob');
    const { accepted } = await a.ask(sending(id, 'm1', 'with it'));
    await committed(a, id, 1);
    const { messageId } = accepted as Frame;
    const back = faults.away('store.');
    let hung: Held | undefined;
    try {
      await until('the node knows', nodesHealth, ([node]) => node?.degraded?.includes('messageStore'));
      hung = faults.hold('store.');
      back();
      const editing = { editMessage: { conversationId: id, messageId, content: { text: 'other words' } } };
      const edited = a.ask(editing);
      expect((await a.ask(sending(id, 'm2', 'again', true))).accepted).toBeDefined();
      expect((await edited).error).toMatchObject({ reason: 'ERROR_REASON_UNAVAILABLE', retryable: true });
    } finally {
      back();
      hung?.release();
    }
    await untilNothingIsAway();
    expect(await committed(a, id, 2)).toEqual(['with it', 'again']);
  });

  test('7: the store may be away: who comes back to a node goes on at once, who is new to it once the store is back', async () => {
    const [a, b, c] = [await open('alice', 0), await open('bob', 1), await open('carol', 1)];
    const id = await group(a, 'bob', 'carol', 'dave');
    await a.ask(sending(id, 'm1', 'with it'));
    await committed(b, id, 1);
    await c.waitFor(messageOf('with it'));
    const back = faults.away('store.');
    // The network of all who are on that node blinks.
    await Promise.all([b.close(), c.close()]);
    const again = await open('bob', 1);
    await a.ask(sending(id, 'm2', 'to bob'));
    await again.waitFor(messageOf('to bob'));
    expect((await again.ask(sending(id, 'm3', 'from bob'))).accepted).toBeDefined();
    await a.waitFor(messageOf('from bob'));
    // Nobody has seen dave.
    const d = await open('dave', 1);
    expect((await d.ask(sending(id, 'm4', 'from dave'))).error).toMatchObject({
      reason: 'ERROR_REASON_UNAVAILABLE',
      retryable: true,
    });
    expect(d.events('limited')).toEqual([]);
    back();
    for (const client of [again, d]) await client.waitFor((f) => f.event?.limited, 10_000);
    await a.ask(sending(id, 'm5', 'to all'));
    for (const client of [again, d]) await client.waitFor(messageOf('to all'));
    expect(await committed(d, id, 4)).toEqual(['with it', 'to bob', 'from bob', 'to all']);
  }, 30_000);

  test('7: the accounts may be away with the store: nodes stay ready and say so, who is in goes on, who comes is told to try again', async () => {
    const [a, b] = [await open('alice', 0), await open('bob', 1)];
    const id = await group(a, 'bob');
    await a.ask(sending(id, 'm1', 'with them'));
    await committed(b, id, 1);
    const newcomer = await signIn(platform, 'newcomer');
    const away = [faults.away('store.'), faults.away('accounts.')];
    const answers: Frame[] = [];
    const health = async (): Promise<Frame[]> => {
      const now = await nodesHealth();
      answers.push(...now);
      return now;
    };
    const told = (degraded: string[] | undefined) => (nodes: Frame[]) =>
      nodes.every((node) => JSON.stringify(node.degraded) === JSON.stringify(degraded));
    await until('the nodes tell what is away', health, told(['messageStore', 'accountStore']));
    for (const text of ['two', 'three']) {
      expect((await a.ask(sending(id, text, text))).accepted).toBeDefined();
      await b.waitFor(messageOf(text));
    }
    expect((await b.ask({ getHistory: { conversationId: id } })).error).toMatchObject({
      reason: 'ERROR_REASON_HISTORY_UNAVAILABLE',
      retryable: true,
    });
    const refused = new RawClient(platform.socketUrls[1] as string, newcomer.accessToken);
    expect((await refused.waitFor((f) => f.error)).error).toMatchObject({
      reason: 'ERROR_REASON_UNAVAILABLE',
      retryable: true,
    });
    expect(await refused.waitClosed()).toMatchObject({ code: 1013 });
    for (const back of away) back();
    await until('nothing is away any more', health, told(undefined));
    expect(new Set(answers.map(({ code }) => code))).toEqual(new Set([200]));
    await open(newcomer, 1);
    expect([a.closed, b.closed]).toEqual([undefined, undefined]);
    expect(await committed(b, id, 3)).toEqual(['with them', 'two', 'three']);
  }, 30_000);

  test('8: two writers can’t hurt: what a worker that was given up writes late changes nothing that counts', async () => {
    const a = await open('alice', 0);
    const id = await group(a, 'bob');
    const persistence = platform.services.get('persistence');
    const late = faults.hold('store.messages.write', ([documents]) =>
      documents.some((document: Frame) => document.conversationId === id),
    );
    const { messageId } = (await a.ask(sending(id, 'm1', 'as sent'))).accepted;
    await until('the first worker is about to write', () => late.held, Boolean);
    await persistence?.crash();
    // From here on calls pass again; the one that is held goes on when it is let go, not knowing.
    late.pass();
    await persistence?.restart();
    await committed(a, id, 1);
    await a.ask({ editMessage: { conversationId: id, messageId, content: { text: 'edited' } } });
    await a.waitFor((f) => f.event?.messageChanged?.content?.text === 'edited');
    const before = await history(a, id);
    late.release();
    await a.ask(sending(id, 'm2', 'after'));
    expect(await committed(a, id, 2)).toEqual(['edited', 'after']);
    expect((await history(a, id)).messages[0]).toEqual(before.messages[0]);
  });

  test('9: tenants never meet: with equal names and known ids one can’t read, write, list, watch or end what is the other’s', async () => {
    const other = await anotherTenant(platform, 'other-tenant');
    const [mine, theirs] = [user('alice'), await signIn(other, 'alice')];
    expect(theirs.userId).not.toBe(mine.userId);
    const [a, b, t] = [await open('alice', 0), await open('bob', 1), await open(theirs, 0)];
    const create = { kind: 'CONVERSATION_KIND_GROUP', memberIds: [user('bob').userId], clientRef: 'same-ref' };
    const id = (await a.ask({ createConversation: create })).conversation.conversation.conversationId;
    const bobs = await signIn(other, 'bob');
    const same = { ...create, memberIds: [bobs.userId] };
    const own = (await t.ask({ createConversation: same })).conversation.conversation.conversationId;
    expect(own).not.toBe(id);
    const { messageId } = (await a.ask(sending(id, 'same-id', 'ours'))).accepted;
    const answer = (await t.ask(sending(own, 'same-id', 'theirs'))).accepted;
    expect(answer.messageId).not.toBe(messageId);
    await committed(a, id, 1);
    await committed(t, own, 1);

    const act = { conversationId: id, messageId };
    const strange: Frame[] = [
      sending(id, 'x', 'x'),
      { editMessage: { ...act, content: { text: 'x' } } },
      { deleteMessage: { ...act, scope: 'DELETE_SCOPE_FOR_EVERYONE' } },
      { deleteMessage: { ...act, scope: 'DELETE_SCOPE_FOR_ME' } },
      { forwardMessage: { fromConversationId: id, messageId, toConversationId: own, clientMsgId: 'f' } },
      {
        forwardMessage: {
          fromConversationId: own,
          messageId: answer.messageId,
          toConversationId: id,
          clientMsgId: 'f',
        },
      },
      { setReaction: { ...act, kind: 'x', present: true } },
      { setPin: { ...act, pinned: true } },
      { updateConversation: { conversationId: id, title: 'x' } },
      { archiveConversation: { conversationId: id, archived: true } },
      { addMembers: { conversationId: id, userIds: [theirs.userId] } },
      { removeMembers: { conversationId: id, userIds: [mine.userId] } },
      { setMemberRole: { conversationId: id, userId: mine.userId, role: 'ROLE_MEMBER' } },
      { leaveConversation: { conversationId: id } },
      { muteConversation: { conversationId: id, mutedUntilMs: 1 } },
      { markDelivered: { conversationId: id, seq: 1 } },
      { markRead: { conversationId: id, seq: 1 } },
      { setTyping: { conversationId: id, typing: true } },
      { getConversation: { conversationId: id } },
      { listMembers: { conversationId: id } },
      { getHistory: { conversationId: id } },
      { getThread: { conversationId: id, rootMessageId: messageId } },
      { listPins: { conversationId: id } },
    ];
    for (const command of strange)
      expect([command, (await t.ask(command)).error?.reason]).toEqual([command, 'ERROR_REASON_CONVERSATION_NOT_FOUND']);
    expect(
      (await t.ask({ setReaction: { conversationId: own, messageId, kind: 'x', present: true } })).error.reason,
    ).toBe('ERROR_REASON_MESSAGE_NOT_FOUND');
    expect((await t.ask({ sync: { conversations: [{ conversationId: id }] } })).sync.deltas[0]).toEqual({
      conversationId: id,
      refused: 'ERROR_REASON_CONVERSATION_NOT_FOUND',
    });
    for (const command of [
      { addMembers: { conversationId: own, userIds: [user('bob').userId] } },
      { createConversation: { kind: 'CONVERSATION_KIND_DIRECT', memberIds: [mine.userId] } },
    ])
      expect((await t.ask(command)).error.reason).toBe('ERROR_REASON_USER_NOT_FOUND');
    const { users: seen = [] } = (
      await t.ask({ getUsers: { userIds: [mine.userId], externalIds: ['alice', 'carol'] } })
    ).users;
    expect(seen.map((u: Frame) => u.userId)).toEqual([theirs.userId]);
    const { entries } = (await t.ask({ listConversations: { includeLeft: true } })).conversations;
    expect(entries.map((e: Frame) => [e.conversation.conversationId, e.unreadCount ?? 0])).toEqual([[own, 0]]);
    // Presence: the other's users look as those nobody knows, and nothing of theirs is told.
    const { presences } = (await t.ask({ watchPresence: { userIds: [mine.userId] } })).presence;
    expect(presences).toEqual([{ userId: mine.userId }]);
    await a.close();
    await open('alice', 1);
    await t.ask({ getUsers: { userIds: [] } });
    expect(t.events('presence')).toEqual([]);
    // Nothing of the attempts took effect, and nothing came across.
    expect(await textsIn(b, id)).toEqual(['ours']);
    expect((await b.ask({ listMembers: { conversationId: id } })).members.members).toHaveLength(2);
    for (const frame of t.frames) expect(JSON.stringify(frame)).not.toContain('ours');
    const end = await fetch(`${platform.gatewayUrl}/api/v1/auth/sessions/${mine.sessionId}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${theirs.accessToken}` },
    });
    expect(end.status).toBe(404);
    expect((await b.ask({ renewToken: { accessToken: bobs.accessToken } })).error).toBeDefined();
  });
});
