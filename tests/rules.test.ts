import { maxPins } from '@caas/kit';
import { until } from '@caas/kit/testing/until';
import { Role } from '@caas/proto/caas/events/v1/content';
import { ClientFrame, DeleteScope } from '@caas/proto/caas/socket/v1/commands';
import { ServerFrame } from '@caas/proto/caas/socket/v1/server_frames';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { Faults } from './support/faults.ts';
import { signIn, type TestPlatform, type TestUser, testPlatform } from './support/platform.ts';
import { type Frame, RawClient } from './support/raw-client.ts';

const maxConversations = 12;
const maxReactionKinds = 5;
const maxReplyBytes = 1024 * 1024;

describe('what commands may and may not, over two nodes', () => {
  const faults = new Faults();
  let platform: TestPlatform;
  let count = 0;
  const opened: RawClient[] = [];

  beforeAll(async () => {
    platform = await testPlatform({
      between: faults.between,
      limits: {
        framesPerMinute: 60_000,
        sendsPerSecond: 1_000,
        sendsBurst: 1_000,
        maxMembers: 3,
        maxConversations,
        maxReactionKinds,
      },
    });
  });
  afterEach(() => faults.heal());
  afterAll(async () => {
    await Promise.all(opened.map((client) => client.close()));
    await platform.stop();
  });

  const newUser = async (node = 0): Promise<TestUser & { client: RawClient }> => {
    const user = await signIn(platform, `u${++count}`);
    return { ...user, client: await enter(user, node) };
  };
  const enter = async (user: TestUser, node: number): Promise<RawClient> => {
    const client = await RawClient.open(platform.socketUrls[node] as string, user.accessToken);
    opened.push(client);
    return client;
  };
  const create = async (client: RawClient, kind: string, ...memberIds: string[]): Promise<string> => {
    const request = { kind: `CONVERSATION_KIND_${kind}`, clientRef: `c${++count}`, memberIds };
    return (await client.ask({ createConversation: request })).conversation.conversation.conversationId;
  };
  /** Sends and waits until it is committed. */
  const send = async (client: RawClient, conversationId: string, clientMsgId: string, text = clientMsgId) => {
    const { accepted } = await client.ask({ sendMessage: { conversationId, clientMsgId, content: { text } } });
    await client.waitFor(
      ({ event }) => event?.head?.conversationId === conversationId && event.head.lastPosition >= accepted.position,
    );
    return accepted;
  };
  const reasonOf = (reply: Frame): string => reply.error?.reason;
  const sameAs = ({ traceId: _, ...rest }: Frame) => ({ accepted: expect.objectContaining(rest) });

  test('a retry is answered as the first time, whatever has become of conversation, membership or original', async () => {
    const [ann, bob] = await Promise.all([newUser(0), newUser(1)]);
    const bobElsewhere = await enter(bob, 0);
    const conversationId = await create(ann.client, 'GROUP', bob.userId);
    const other = await create(bob.client, 'GROUP');
    const original = await send(ann.client, conversationId, 'original');
    const kept = await send(bob.client, conversationId, 'kept');
    const forward = { fromConversationId: conversationId, messageId: original.messageId, toConversationId: other };
    const forwarded = await bob.client.ask({ forwardMessage: { ...forward, clientMsgId: 'f' } });
    await bob.client.waitFor(({ event }) => event?.head?.conversationId === other && event.head.lastSeq === 1);
    const ask = (client: RawClient, clientMsgId: string, retry: boolean, text = clientMsgId) =>
      client.ask({ sendMessage: { conversationId, clientMsgId, retry, content: { text } } });
    const holds = async (): Promise<void> => {
      expect(await ask(bob.client, 'kept', false)).toEqual(sameAs(kept));
      expect(await ask(bobElsewhere, 'kept', true)).toEqual(sameAs(kept));
      expect(reasonOf(await ask(bob.client, 'kept', false, 'other'))).toBe('ERROR_REASON_IDEMPOTENCY_CONFLICT');
      expect(reasonOf(await ask(bobElsewhere, 'kept', true, 'other'))).toBe('ERROR_REASON_IDEMPOTENCY_CONFLICT');
    };

    const scope = 'DELETE_SCOPE_FOR_EVERYONE';
    await ann.client.ask({ deleteMessage: { conversationId, messageId: original.messageId, scope } });
    await bob.client.waitFor(({ event }) => event?.messageChanged?.deletedAtMs > 0);
    const again = { forwardMessage: { ...forward, clientMsgId: 'f', retry: true } };
    expect(await bob.client.ask(again)).toEqual(sameAs(forwarded.accepted));
    expect(await bobElsewhere.ask(again)).toEqual(sameAs(forwarded.accepted));
    const anew = { forwardMessage: { ...forward, clientMsgId: 'g', retry: true } };
    expect(reasonOf(await bob.client.ask(anew))).toBe('ERROR_REASON_MESSAGE_NOT_FOUND');

    await ann.client.ask({ archiveConversation: { conversationId, archived: true } });
    await holds();
    await ann.client.ask({ archiveConversation: { conversationId, archived: false } });
    await ann.client.ask({ removeMembers: { conversationId, userIds: [bob.userId] } });
    await holds();
    // Of what was never said, and of what others said, the removed one learns nothing.
    for (const retry of [true, false])
      expect(reasonOf(await ask(bob.client, 'original', retry))).toBe('ERROR_REASON_CONVERSATION_NOT_FOUND');
  });

  test('who may not send in a channel any more may not edit there either', async () => {
    const [ann, bob] = await Promise.all([newUser(0), newUser(1)]);
    const conversationId = await create(ann.client, 'CHANNEL', bob.userId);
    const setRole = (role: string) =>
      ann.client.ask({ setMemberRole: { conversationId, userId: bob.userId, role: `ROLE_${role}` } });
    const isNow = (role: string) =>
      bob.client.waitFor(
        ({ event }) =>
          event?.participantChanged?.userId === bob.userId && event.participantChanged.role === `ROLE_${role}`,
      );
    await setRole('ADMIN');
    await isNow('ADMIN');
    const { messageId } = await send(bob.client, conversationId, 'm');
    bob.client.frames.length = 0;
    await setRole('MEMBER');
    await isNow('MEMBER');
    const edit = { editMessage: { conversationId, messageId, content: { text: 'still speaking' } } };
    expect(reasonOf(await bob.client.ask(edit))).toBe('ERROR_REASON_PERMISSION_DENIED');
  });

  test('owners who demote each other in the same moment: one does, the other is told that the last owner stays', async () => {
    const [ann, bob] = await Promise.all([newUser(0), newUser(1)]);
    const id = await create(ann.client, 'GROUP', bob.userId);
    const role = (by: RawClient, of: TestUser, to: string): Promise<Frame> =>
      by.ask({ setMemberRole: { conversationId: id, userId: of.userId, role: `ROLE_${to}` } });
    expect((await role(ann.client, bob, 'OWNER')).conversation).toBeDefined();
    await bob.client.waitFor(({ event }) => event?.participantChanged?.role === 'ROLE_OWNER');
    // Both nodes judge before either change is in the log.
    const log = faults.hold('log.append', ([records]) =>
      records.some((r: Frame) => r.topic === 'conversation.updated'),
    );
    const asked = [role(ann.client, bob, 'MEMBER'), role(bob.client, ann, 'MEMBER')];
    await until(
      'both are judged',
      () => log.held,
      (held) => held === 2,
    );
    log.release();
    const answers = await Promise.all(asked);
    expect(answers.map(reasonOf).sort()).toEqual(['ERROR_REASON_FAILED_PRECONDITION', undefined]);
    const { members } = (await ann.client.ask({ listMembers: { conversationId: id } })).members;
    const owners = members.filter((m: Frame) => m.role === 'ROLE_OWNER').map((m: Frame) => m.userId);
    expect(owners).toEqual([reasonOf(answers[0] as Frame) === undefined ? ann.userId : bob.userId]);
  });

  test('over the protobuf subprotocol, too, enum numbers nobody knows are refused', async () => {
    const [ann, bob] = await Promise.all([newUser(0), newUser(0)]);
    const conversationId = await create(ann.client, 'GROUP', bob.userId);
    const { messageId } = await send(ann.client, conversationId, 'stays');
    const binary = await new Promise<RawClient>((resolve) => {
      const client = new RawClient(platform.socketUrls[0] as string, ann.accessToken, {
        subprotocols: ['caas.v1.proto'],
      });
      opened.push(client);
      client.ws.on('open', () => resolve(client));
    });
    const decoded = (frame: Frame): ServerFrame => ServerFrame.decode(frame);
    const refused = async (command: NonNullable<ClientFrame['command']>, field: string): Promise<void> => {
      const id = `p${++count}`;
      binary.ws.send(ClientFrame.encode({ id, traceparent: '', command }).finish());
      const { body } = decoded(await binary.waitFor((frame) => decoded(frame).id === id));
      expect(body).toMatchObject({ $case: 'error', value: { message: expect.stringContaining(field) } });
    };
    for (const scope of [DeleteScope.DELETE_SCOPE_UNSPECIFIED, 3, 99, -1] as DeleteScope[]) {
      await refused({ $case: 'deleteMessage', value: { conversationId, messageId, scope } }, 'scope');
    }
    for (const role of [Role.ROLE_UNSPECIFIED, 99, -1] as Role[]) {
      await refused({ $case: 'setMemberRole', value: { conversationId, userId: bob.userId, role } }, 'role');
    }
    const { history } = await ann.client.ask({ getHistory: { conversationId } });
    expect(history.messages).toMatchObject([{ messageId, content: { text: 'stays' } }]);
  });

  test('a reply ends at its byte budget and says so, and every page gets on', async () => {
    const { client } = await newUser();
    const conversationId = await create(client, 'GROUP');
    const total = 80;
    const texts = Array.from({ length: total }, (_, i) => `${i}`.padEnd(16_384, '.'));
    const empty = (await client.ask({ sync: { conversations: [{ conversationId }] } })).sync.deltas[0].cursor;
    // One by one: all at once is more than a connection's queue holds, and its events would be dropped.
    for (const [i, text] of texts.entries())
      await client.ask({ sendMessage: { conversationId, clientMsgId: `b${i}`, content: { text } } });
    await until(
      'all committed',
      () => client.ask({ getConversation: { conversationId } }),
      ({ conversation }) => conversation.conversation.head.lastSeq === total,
    );
    const seqs = (messages: { seq: number }[]) => messages.map(({ seq }) => seq);
    const history = async (anchor: object) =>
      (await client.ask({ getHistory: { conversationId, limit: 200, ...anchor } })).history;
    const bounded = (reply: object): void => expect(JSON.stringify(reply).length).toBeLessThan(maxReplyBytes * 1.05);

    const newest = await history({});
    bounded(newest);
    expect(newest.messages.length).toBeGreaterThan(50);
    expect(newest).toMatchObject({ moreBefore: true });
    expect(newest.messages.at(-1).seq).toBe(total);
    const rest = await history({ beforeSeq: newest.messages[0].seq });
    expect([...seqs(rest.messages), ...seqs(newest.messages)]).toEqual(texts.map((_, i) => i + 1));
    expect(await history({ afterSeq: 1 })).toMatchObject({ moreAfter: true, messages: { 0: { seq: 2 } } });
    const around = await history({ aroundSeq: 40 });
    bounded(around);
    expect(seqs(around.messages)).toContain(40);

    const fresh = (await client.ask({ sync: { conversations: [{ conversationId }] } })).sync.deltas[0];
    bounded(fresh);
    expect(fresh.limited.startSeq).toBe(fresh.messages[0].seq - 1);
    expect(fresh.messages.at(-1).seq).toBe(total);
    const told: number[] = [];
    for (let cursor = empty, more = true; more; ) {
      const delta = (await client.ask({ sync: { conversations: [{ conversationId, cursor }] } })).sync.deltas[0];
      bounded(delta);
      told.push(...seqs(delta.messages));
      ({ cursor, more = false } = delta);
    }
    expect(told).toEqual(texts.map((_, i) => i + 1));
  });

  test('what one has hidden for oneself stays away from pins, list and later syncs', async () => {
    const [ann, bob] = await Promise.all([newUser(0), newUser(0)]);
    const conversationId = await create(ann.client, 'GROUP', bob.userId);
    const { messageId } = await send(ann.client, conversationId, 'm');
    await ann.client.ask({ setPin: { conversationId, messageId, pinned: true } });
    await bob.client.waitFor(({ event }) => event?.messageChanged?.pinnedBy === ann.userId);
    await bob.client.ask({ deleteMessage: { conversationId, messageId, scope: 'DELETE_SCOPE_FOR_ME' } });
    await bob.client.waitFor(({ event }) => event?.messageHidden?.messageId === messageId);
    const { cursor } = (await bob.client.ask({ sync: { conversations: [{ conversationId }] } })).sync.deltas[0];
    const shown = async (client: RawClient) => {
      const { history } = await client.ask({ listPins: { conversationId } });
      const { conversations } = await client.ask({ listConversations: {} });
      return [history.messages?.length ?? 0, conversations.entries[0].lastMessage?.messageId];
    };
    expect(await shown(bob.client)).toEqual([0, undefined]);
    expect(await shown(ann.client)).toEqual([1, messageId]);
    await ann.client.ask({ editMessage: { conversationId, messageId, content: { text: 'edited' } } });
    await bob.client.waitFor(({ event }) => event?.messageChanged?.content?.text === 'edited');
    const delta = (await bob.client.ask({ sync: { conversations: [{ conversationId, cursor }] } })).sync.deltas[0];
    expect(delta).toMatchObject({ messages: [{ messageId }], hiddenMessageIds: [messageId] });
  });

  test('limits of members and conversations bind whoever is added, and nobody twice', async () => {
    const [ann, bob, cyd, dan] = await Promise.all([newUser(), newUser(), newUser(), newUser()]);
    const conversationId = await create(ann.client, 'GROUP', bob.userId, cyd.userId);
    const add = (...userIds: string[]) => ann.client.ask({ addMembers: { conversationId, userIds } });
    expect((await add(bob.userId, cyd.userId)).conversation.conversation.memberCount).toBe(3);
    expect((await add(dan.userId)).error).toMatchObject({ details: { limit: 'maxMembers' } });
    for (let i = 1; i < maxConversations; i++) await create(bob.client, 'GROUP');
    const full = { reason: 'ERROR_REASON_LIMIT_EXCEEDED', details: { limit: 'maxConversations', user_id: bob.userId } };
    const kind = 'CONVERSATION_KIND_GROUP';
    const request = { kind, clientRef: 'x', memberIds: [bob.userId] };
    expect((await dan.client.ask({ createConversation: request })).error).toMatchObject(full);
    const own = await create(dan.client, 'GROUP');
    const added = await dan.client.ask({ addMembers: { conversationId: own, userIds: [bob.userId] } });
    expect(added.error).toMatchObject(full);
  });

  test('limits hold for what is asked for at once, over two connections to two nodes', async () => {
    const [ann, bob] = await Promise.all([newUser(0), newUser(1)]);
    const connections = [ann.client, await enter(ann, 1)];
    const hundred = <T>(ask: (client: RawClient, i: number) => Promise<T>): Promise<T[]> =>
      Promise.all(Array.from({ length: 100 }, (_, i) => ask(connections[i % 2] as RawClient, i)));
    const conversationId = await create(ann.client, 'GROUP', bob.userId);
    const limits = (replies: Frame[]) => new Set(replies.flatMap(({ error }) => (error ? [error.details?.limit] : [])));

    const { messageId } = await send(ann.client, conversationId, 'reacted');
    await hundred((client, i) =>
      client.ask({ setReaction: { conversationId, messageId, kind: `k${i}`, present: true } }, 20_000),
    );
    const sent: string[] = [];
    for (let i = 0; i < 110; i++) {
      const request = { conversationId, clientMsgId: `p${i}`, content: { text: 'x' } };
      sent.push((await ann.client.ask({ sendMessage: request })).accepted.messageId);
    }
    const isCommitted = ({ event }: Frame) =>
      event?.head?.conversationId === conversationId && event.head.lastSeq === 111;
    await ann.client.waitFor(isCommitted);
    await hundred((client, i) => client.ask({ setPin: { conversationId, messageId: sent[i], pinned: true } }, 20_000));
    await Promise.all(
      sent
        .slice(100)
        .map((id, i) => connections[i % 2]?.ask({ setPin: { conversationId, messageId: id, pinned: true } }, 20_000)),
    );

    const created = await hundred((client, i) =>
      client.ask({ createConversation: { kind: 'CONVERSATION_KIND_GROUP', clientRef: `at-once-${i}` } }, 20_000),
    );
    // All of what there was room for, and nothing else.
    expect(created.filter(({ conversation }) => conversation)).toHaveLength(maxConversations - 1);
    expect(limits(created)).toEqual(new Set(['maxConversations']));

    const others = await Promise.all(Array.from({ length: 10 }, () => newUser()));
    const added = await Promise.all(
      others.map(({ userId }, i) =>
        (connections[i % 2] as RawClient).ask({ addMembers: { conversationId, userIds: [userId] } }, 20_000),
      ),
    );
    expect(added.filter(({ conversation }) => conversation)).toHaveLength(1);
    expect(limits(added)).toEqual(new Set(['maxMembers']));

    // Acts of a conversation are applied in their order: with the last one all of them are.
    await bob.client.ask({ setReaction: { conversationId, messageId: sent[0], kind: 'last', present: true } });
    const history = await until(
      'all acts are applied',
      async () =>
        (await bob.client.ask({ getHistory: { conversationId, limit: 200, aroundSeq: 50 } })).history.messages,
      (messages) => messages[1].reactions?.length > 0,
    );
    expect(history[0].messageId).toBe(messageId);
    expect(history[0].reactions).toHaveLength(maxReactionKinds);
    expect(history.filter((message: Frame) => message.pinnedBy)).toHaveLength(maxPins);
    expect((await ann.client.ask({ listConversations: { limit: 100 } })).conversations.entries).toHaveLength(
      maxConversations,
    );
  }, 60_000);

  test('an act on a message that was sent a moment ago may be tried again, one on no message may not', async () => {
    const ann = await newUser();
    const conversationId = await create(ann.client, 'GROUP');
    // Messages gather for 50 ms before they are committed, so this one is not there yet as a rule.
    const content = { text: 'x' };
    const sent = ann.client.ask({ sendMessage: { conversationId, clientMsgId: 'fresh', content } });
    const { messageId } = (await sent).accepted;
    const react = (id: string) =>
      ann.client.ask({ setReaction: { conversationId, messageId: id, kind: '+', present: true } });
    const early = await react(messageId);
    if (early.error) expect(early.error).toMatchObject({ retryable: true, retryAfterMs: 200 });
    expect((await react('A'.repeat(22))).error).toEqual(
      expect.not.objectContaining({ retryable: true, retryAfterMs: expect.anything() }),
    );
    await until(
      'it is there',
      () => react(messageId),
      ({ accepted }) => accepted,
    );
    const seq = 1_000_000;
    await ann.client.ask({ markRead: { conversationId, seq } });
    const own = async () => (await ann.client.ask({ getConversation: { conversationId } })).conversation;
    await until('read as far as there is something', own, (entry) => entry.own.readSeq === 1);
  });

  test('a used client_ref answers its conversation as it stands, another kind is a conflict', async () => {
    const { client } = await newUser();
    const ask = (kind: string, more: object = {}) =>
      client.ask({
        createConversation: { kind: `CONVERSATION_KIND_${kind}`, clientRef: 'ref', title: 'old', ...more },
      });
    const { conversationId } = (await ask('GROUP')).conversation.conversation;
    await client.ask({ updateConversation: { conversationId, title: 'new' } });
    expect((await ask('GROUP')).conversation.conversation).toMatchObject({ conversationId, title: 'new' });
    expect(reasonOf(await ask('CHANNEL'))).toBe('ERROR_REASON_IDEMPOTENCY_CONFLICT');
    expect(reasonOf(await ask('GROUP', { historyForNewMembers: false }))).toBe('ERROR_REASON_IDEMPOTENCY_CONFLICT');
  });

  test('pictures are https, and http only of this very machine', async () => {
    const { client } = await newUser();
    const conversationId = await create(client, 'GROUP');
    const asked = (avatarUrl: string): Promise<Frame>[] => [
      client.ask({ updateProfile: { avatarUrl } }),
      client.ask({ updateConversation: { conversationId, avatarUrl } }),
      client.ask({ createConversation: { kind: 'CONVERSATION_KIND_GROUP', clientRef: 'pictured', avatarUrl } }),
    ];
    const unfit = [
      'javascript:alert(1)',
      'data:text/html,x',
      'http://example.org/a.png',
      'a.png',
      'https://u:p@e.org/',
    ];
    for (const url of unfit) {
      for (const reply of await Promise.all(asked(url))) {
        expect(reply.error).toMatchObject({
          reason: 'ERROR_REASON_INVALID_ARGUMENT',
          details: { field: 'avatar_url' },
        });
      }
    }
    for (const url of ['https://example.org/a.png', 'http://localhost:8080/a.png', 'http://127.0.0.1/a', ''])
      for (const reply of await Promise.all(asked(url))) expect(reply.error).toBeUndefined();
  });
});
