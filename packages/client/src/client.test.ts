import { afterEach, describe, expect, test } from '@jest/globals';
import { emptyDigest, nextDigest } from './digest.ts';
import { CaasClientError } from './errors.ts';
import { aClient, anOnlineClient, closeClients } from './testing/a-client.ts';
import { settled } from './testing/fake-clock.ts';

afterEach(closeClients);

test('profiles that did not fit in a reply are asked for again', async () => {
  const { client, socket } = await anOnlineClient();
  const read = client.getUsers(['a', 'b', 'nobody'], ['cyd', 'dan']);
  await settled();
  expect(socket(0).sent.map((s) => s.request)).toContainEqual({
    userIds: ['a', 'b', 'nobody'],
    externalIds: ['cyd', 'dan'],
  });
  const one = [
    { userId: 'a', externalId: 'ann' },
    { userId: 'c', externalId: 'cyd' },
  ];
  await socket(0).answer('getUsers', { reply: { users: { users: one, more: true } } });
  expect(socket(0).sent.map((s) => s.request)).toContainEqual({ userIds: ['b', 'nobody'], externalIds: ['dan'] });
  const rest = [
    { userId: 'b', externalId: 'bob' },
    { userId: 'd', externalId: 'dan' },
  ];
  await socket(0).answer('getUsers', { reply: { users: { users: rest } } });
  expect((await read).map((user) => user.userId)).toEqual(['a', 'c', 'b', 'd']);
});

describe('connecting', () => {
  test('offers the subprotocol and the token, and is online with the welcome', async () => {
    const { client, socket, log } = await anOnlineClient();
    expect(socket(0).protocols).toEqual(['caas.v1.json', 'bearer.token-1']);
    expect(client.userId).toBe('me');
    expect(log).toEqual(['connecting', 'online']);
  });

  test('goes on to the next URL with a new token when a connection fails before its welcome', async () => {
    const { client, clock, sockets, socket } = aClient();
    client.connect().catch(() => {});
    await settled();
    await socket(0).closedByNode(1006);
    await clock.pass(1_000);
    expect(sockets.map((s) => s.url)).toEqual(['ws://one', 'ws://two']);
    expect(socket(1).protocols[1]).toBe('bearer.token-2');
  });

  test('gives up a connection that is not welcomed in time', async () => {
    const { client, clock, sockets, socket } = aClient();
    client.connect().catch(() => {});
    await clock.pass(10_001);
    expect(socket(0).closedByClient).toBe(true);
    expect(sockets.length).toBe(2);
  });

  test('ends when the session is revoked, and rejects what waits', async () => {
    const { client, socket, log } = await anOnlineClient();
    const command = client.getUsers(['a']);
    const outcome = expect(command).rejects.toMatchObject({ reason: 'DEADLINE_EXCEEDED' });
    await socket(0).closedByNode(4404);
    await outcome;
    expect(log.slice(-2)).toEqual(['closed', 'closed SESSION_REVOKED']);
    await expect(client.getUsers(['a'])).rejects.toMatchObject({ reason: 'SESSION_REVOKED' });
    await expect(client.sendMessage('c', { text: 'x' })).rejects.toMatchObject({ reason: 'SESSION_REVOKED' });
  });

  test('takes a fresh token when the old one has expired, and ends when fresh ones are refused too', async () => {
    const { client, clock, socket, sockets, log } = await anOnlineClient();
    await socket(0).closedByNode(4402);
    await clock.pass(1_000);
    expect(socket(1).protocols[1]).toBe('bearer.token-2');
    await socket(1).welcome();
    for (let i = 1; i <= 3; i++) {
      await socket(i).closedByNode(4401);
      await clock.pass(1_000);
    }
    expect(sockets.length).toBe(4);
    expect(client.state).toBe('closed');
    expect(log.at(-1)).toBe('closed UNAUTHENTICATED');
  });

  test('waits at least as long as the node says', async () => {
    const { clock, socket, sockets } = await anOnlineClient();
    await socket(0).frame({ error: { reason: 'ERROR_REASON_OVERLOADED', retryable: true, retryAfterMs: 7_000 } });
    await socket(0).closedByNode(4431);
    await clock.pass(6_999);
    expect(sockets.length).toBe(1);
    await clock.pass(1);
    expect(sockets.length).toBe(2);
  });

  test('ends when the application says that there is no token any more', async () => {
    const { client } = aClient({
      getToken: () => Promise.reject(new CaasClientError('SESSION_REVOKED', 'signed out')),
    });
    await expect(client.connect()).rejects.toMatchObject({ reason: 'SESSION_REVOKED' });
    expect(client.state).toBe('closed');
  });

  test('opens another connection before it leaves a node that moves', async () => {
    const { client, clock, socket, sockets, log } = await anOnlineClient();
    const before = client.getUsers(['a']);
    await socket(0).event({ moving: { closesInMs: 10_000 } });
    await clock.pass(1_000);
    expect(sockets.length).toBe(2);
    expect(socket(0).closedByClient).toBe(false);
    await socket(1).welcome();
    expect(socket(0).closedByClient).toBe(false);
    await socket(0).answer('getUsers', { reply: { users: { users: [{ userId: 'a' }] } } });
    expect(await before).toMatchObject([{ userId: 'a' }]);
    await clock.pass(100);
    expect(socket(0).closedByClient).toBe(true);
    expect(log).toEqual(['connecting', 'online']);
    expect(client.stats().reconnects).toBe(1);
  });

  test('renews the token at four fifths of its life', async () => {
    const { clock, socket, tokens } = await anOnlineClient();
    for (let passedMs = 0; passedMs < 0.8 * 3_600_000; passedMs += 1_000) {
      expect(tokens()).toBe(1);
      await clock.pass(1_000);
      if (socket(0).sent.some((s) => s.verb === 'getUsers'))
        await socket(0).answer('getUsers', { reply: { users: {} } });
    }
    expect(socket(0).sent.find((s) => s.verb === 'renewToken')?.request).toEqual({ accessToken: 'token-2' });
  });

  test('probes a silent connection and leaves it when there is no answer', async () => {
    const { clock, socket, sockets } = await anOnlineClient();
    await clock.pass(54_999);
    expect(socket(0).sent).toEqual([]);
    await clock.pass(1);
    expect(socket(0).sent.map((s) => s.verb)).toEqual(['getUsers']);
    await socket(0).answer('getUsers', { reply: { users: {} } });
    await clock.pass(54_000);
    expect(sockets.length).toBe(1);
    await clock.pass(10_000);
    expect(socket(0).closedByClient).toBe(true);
    expect(sockets.length).toBe(2);
  });

  test('leaves nothing that would keep a process alive once closed', async () => {
    const { client, clock } = await anOnlineClient();
    client.getUsers(['a']).catch(() => {});
    client.close();
    await settled();
    expect(clock.waiting).toBe(0);
  });
});

describe('a command', () => {
  test('rejects with the reason, hint, details and trace id of the node', async () => {
    const { client, socket } = await anOnlineClient();
    const command = client.addMembers('c', ['u']);
    await settled();
    const error = {
      reason: 'ERROR_REASON_LIMIT_EXCEEDED',
      message: 'full',
      traceId: 'abc',
      details: { limit: 'members' },
    };
    const outcome = expect(command).rejects.toMatchObject({
      reason: 'LIMIT_EXCEEDED',
      traceId: 'abc',
      details: { limit: 'members' },
      retryable: false,
    });
    await socket(0).answer('addMembers', { error });
    await outcome;
  });

  test('rejects after its time, and when too many are open', async () => {
    const { client, clock } = await anOnlineClient({ limits: { maxPendingCommands: 1 } });
    const first = expect(client.getUsers(['a'])).rejects.toMatchObject({
      reason: 'DEADLINE_EXCEEDED',
      retryable: true,
    });
    await settled();
    await expect(client.getUsers(['b'])).rejects.toMatchObject({ reason: 'LIMIT_EXCEEDED' });
    await clock.pass(15_000);
    await first;
  });

  test('larger than the node takes is refused without a word to the node', async () => {
    const { client, socket } = await anOnlineClient();
    await expect(client.sendMessage('c', { text: 'é'.repeat(40_000) })).rejects.toMatchObject({
      reason: 'FRAME_TOO_LARGE',
    });
    expect(socket(0).sent).toEqual([]);
  });
});

describe('a conversation', () => {
  const head = (seq: number, digest: string) => ({
    conversationId: 'c',
    headRev: seq,
    prevHeadRev: seq - 1,
    lastSeq: seq,
    lastPosition: seq,
    digest,
  });

  test("shows one's own message local, then accepted, then committed, in its place", async () => {
    const { client, socket } = await anOnlineClient();
    const conversation = client.conversation('c');
    await settled();
    await socket(0).answer('sync', {
      reply: { sync: { deltas: [{ conversationId: 'c', head: head(0, emptyDigest), cursor: 'x' }] } },
    });
    expect(conversation.isLoaded).toBe(true);
    const told: string[] = [];
    client.on('message', (message) => told.push(`message ${message.messageId}`));
    client.on('committed', (message) => told.push(`committed ${message.seq}`));
    const statuses = () => conversation.items().map((item) => item.status);
    const sent = conversation.send('hello');
    expect(statuses()).toEqual(['local']);
    await settled();
    await socket(0).answer('sendMessage', { reply: { accepted: { messageId: 'm', position: 1, acceptedAtMs: 5 } } });
    expect(await sent).toMatchObject({ messageId: 'm', conversationId: 'c' });
    expect(statuses()).toEqual(['pending']);
    await socket(0).event({
      message: { messageId: 'm', conversationId: 'c', senderId: 'me', position: 1, content: { text: 'hello' } },
    });
    await socket(0).event({ head: head(1, nextDigest(emptyDigest, 'm')) });
    expect(conversation.items()).toMatchObject([
      { status: 'committed', message: { seq: 1, content: { text: 'hello' }, senderId: 'me' } },
    ]);
    expect(told).toEqual(['message m', 'committed 1']);
    expect(client.stats()).toMatchObject({ duplicates: 1, divergences: 0, pending: 0, outbox: 0 });
  });

  test('says that a message failed when it is rejected after all', async () => {
    const { client, socket } = await anOnlineClient();
    const conversation = client.conversation('c');
    await settled();
    await socket(0).answer('sync', {
      reply: { sync: { deltas: [{ conversationId: 'c', head: head(0, emptyDigest), cursor: 'x' }] } },
    });
    const failed: string[] = [];
    client.on('failed', ({ error }) => failed.push(error.reason));
    await socket(0).event({ message: { messageId: 'm', conversationId: 'c', position: 1 } });
    await socket(0).event({
      rejected: {
        conversationId: 'c',
        messageId: 'm',
        position: 1,
        error: { reason: 'ERROR_REASON_CONTENT_REJECTED' },
      },
    });
    expect(failed).toEqual(['CONTENT_REJECTED']);
    expect(conversation.items()).toMatchObject([{ status: 'failed', error: { reason: 'CONTENT_REJECTED' } }]);
  });

  test('is synced after a reconnect only when its head has moved, and closed when it is not listed any more', async () => {
    const { client, clock, socket } = await anOnlineClient();
    const c = client.conversation('c');
    await settled();
    await socket(0).answer('sync', {
      reply: { sync: { deltas: [{ conversationId: 'c', head: head(0, emptyDigest), cursor: 'x' }] } },
    });
    const entry = (rev: number) => ({
      conversation: { conversationId: 'c', head: { headRev: rev } },
      own: { state: 'PARTICIPANT_STATE_ACTIVE' },
    });
    const reconnect = async (n: number, entries: object[]) => {
      await socket(n - 1).closedByNode(1006);
      await clock.pass(1_000);
      await socket(n).welcome();
      await socket(n).answer('listConversations', { reply: { conversations: { entries } } });
      return socket(n).sent.map((s) => s.verb);
    };
    expect(await reconnect(1, [entry(0)])).toEqual([]);
    expect(await reconnect(2, [entry(4)])).toEqual(['sync']);
    expect(socket(2).sent[0]?.request).toEqual({ conversations: [{ conversationId: 'c', cursor: 'x', rev: 0 }] });
    const left: string[] = [];
    client.on('left', ({ conversationId }) => left.push(conversationId));
    await reconnect(3, []);
    expect([left, c.isOpen]).toEqual([['c'], false]);
  });

  test('walks over its history page by page', async () => {
    const { client, socket } = await anOnlineClient();
    const page = (first: number, last: number, more: object) => ({
      reply: {
        history: { messages: Array.from({ length: last - first + 1 }, (_, i) => ({ seq: first + i })), ...more },
      },
    });
    const seqs: number[] = [];
    const walk = (async () => {
      for await (const message of client.conversation('c').history({ pageSize: 2 })) seqs.push(message.seq);
    })();
    await settled();
    await socket(0).answer('getHistory', page(4, 5, { moreBefore: true }));
    expect(socket(0).sent.at(-1)?.request).toEqual({ conversationId: 'c', beforeSeq: 4, limit: 2 });
    await socket(0).answer('getHistory', page(2, 3, {}));
    await walk;
    expect(seqs).toEqual([5, 4, 3, 2]);
  });

  test('that was used least recently is closed to make room', async () => {
    const { client } = await anOnlineClient({ limits: { maxWindows: 2 } });
    const [a, b] = [client.conversation('a'), client.conversation('b')];
    client.conversation('a');
    client.conversation('c');
    expect([a.isOpen, b.isOpen, client.stats().windows]).toEqual([true, false, 2]);
  });
});
