import { CaasClient, type ClientOptions, type Conversation } from '@caas/client';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { WebSocket } from 'ws';
import { signIn, type TestPlatform, type TestUser, testPlatform } from './support/platform.ts';

const deadlineMs = 20_000;

/** Polls until a condition holds; fails with what was seen last. */
const until = async <T>(what: string, read: () => T, holds: (value: T) => boolean): Promise<T> => {
  const end = Date.now() + deadlineMs;
  for (;;) {
    const value = read();
    if (holds(value)) return value;
    if (Date.now() > end)
      throw new Error(`${what}: not within ${deadlineMs} ms, last ${JSON.stringify(value)?.slice(0, 1_000)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

describe('the SDK through real nodes', () => {
  let platform: TestPlatform;
  const users = new Map<string, TestUser>();
  const clients: CaasClient[] = [];

  beforeAll(async () => {
    platform = await testPlatform({ limits: { framesPerMinute: 100_000, sendsPerSecond: 10_000, sendsBurst: 10_000 } });
    for (const name of ['alice', 'bob', 'carol', 'dave']) users.set(name, await signIn(platform, name));
  });
  afterEach(() => {
    for (const client of clients.splice(0)) client.close();
  });
  afterAll(() => platform.stop());

  const user = (name: string) => users.get(name) as TestUser;
  const connect = async (name: string, node?: number, options: Partial<ClientOptions> = {}): Promise<CaasClient> => {
    const client = new CaasClient({
      urls: node === undefined ? platform.socketUrls : [platform.socketUrls[node] as string],
      getToken: async () => user(name).accessToken,
      limits: { backoffCapMs: 500 },
      ...options,
    });
    clients.push(client);
    await client.connect();
    return client;
  };
  const group = async (owner: CaasClient, ...members: string[]): Promise<string> => {
    const entry = await owner.createConversation({
      kind: 'GROUP',
      memberIds: members.map((m) => user(m).userId),
      title: 'team',
    });
    return entry.conversation.conversationId;
  };
  const listOf = (conversation: Conversation) => conversation.messages().map((m) => m.content?.text);
  const converged = async (conversations: Conversation[], count: number) => {
    await until(
      'all lists complete',
      () => conversations.map((c) => [c.head.lastSeq, c.items().length, c.head.digest]),
      (heads) => heads.every(([seq, items, digest]) => seq === count && items === count && digest === heads[0]?.[2]),
    );
    for (const c of conversations) {
      expect(c.messages().map((m) => m.seq)).toEqual(Array.from({ length: count }, (_, i) => i + 1));
      expect(listOf(c)).toEqual(listOf(conversations[0] as Conversation));
    }
  };

  test('four users on two nodes who talk at once end with one list', async () => {
    const [a, b, c, d] = await Promise.all([
      connect('alice', 0),
      connect('bob', 1),
      connect('carol', 0),
      connect('dave', 1),
    ]);
    const id = await group(a, 'bob', 'carol', 'dave');
    const all = [a, b, c, d];
    const conversations = all.map((client) => client.conversation(id));
    const sent = await Promise.all(
      all.flatMap((client, u) => Array.from({ length: 50 }, (_, i) => client.sendMessage(id, { text: `${u}:${i}` }))),
    );
    expect(new Set(sent.map((s) => s.messageId)).size).toBe(200);
    await converged(conversations, 200);
    for (const u of [0, 1, 2, 3]) {
      const own = listOf(conversations[0] as Conversation).filter((text) => text?.startsWith(`${u}:`));
      expect(own).toEqual(Array.from({ length: 50 }, (_, i) => `${u}:${i}`));
    }
    for (const client of all) expect(client.stats()).toMatchObject({ divergences: 0, pending: 0, outbox: 0 });
  });

  test.each(['socket-1', 'persistence'])(
    'a crash of %s costs no accepted message and doubles none',
    async (service) => {
      const [a, b] = await Promise.all([connect('alice', 0), connect('bob', 1)]);
      const id = await group(a, 'bob');
      const conversations = [a.conversation(id), b.conversation(id)];
      const sends = [a, b].flatMap((client, u) =>
        Array.from({ length: 150 }, (_, i) => client.sendMessage(id, { text: `${u}:${i}` })),
      );
      await until(
        'some are under way',
        () => conversations[1]?.items().length ?? 0,
        (n) => n >= 20,
      );
      await platform.services.get(service)?.crash();
      await platform.services.get(service)?.restart();
      const sent = await Promise.all(sends);
      await converged(conversations, 300);
      expect(new Set(sent.map((s) => s.messageId))).toEqual(
        new Set(conversations[0]?.messages().map((m) => m.messageId)),
      );
      expect(a.stats().divergences + b.stats().divergences).toBe(0);
      // The crash came while messages were under way: Alice lost her connection, or nobody did.
      expect(a.stats().reconnects).toBe(service === 'socket-1' ? 1 : 0);
    },
  );

  test('who was away catches up, and reads what lies before by history', async () => {
    const a = await connect('alice', 0);
    const id = await group(a, 'bob');
    const away = await connect('bob', 1);
    const before = away.conversation(id);
    await until('loaded', () => before.isLoaded, Boolean);
    for (let i = 1; i <= 30; i++) await a.sendMessage(id, { text: `${i}` });
    await converged([before], 30);
    away.close();
    for (let i = 31; i <= 60; i++) await a.sendMessage(id, { text: `${i}` });
    const back = await connect('bob', 0, { limits: { maxWindowMessages: 10 } });
    const conversation = back.conversation(id);
    await until(
      'caught up',
      () => conversation.head.lastSeq,
      (seq) => seq === 60,
    );
    expect(conversation.messages().map((m) => m.seq)).toEqual([51, 52, 53, 54, 55, 56, 57, 58, 59, 60]);
    const seqs: number[] = [];
    for await (const message of conversation.history({ pageSize: 7 })) seqs.push(message.seq);
    expect(seqs).toEqual(Array.from({ length: 60 }, (_, i) => 60 - i));
    const forward: number[] = [];
    for await (const message of conversation.history({ afterSeq: 0, pageSize: 25, max: 40 })) forward.push(message.seq);
    expect(forward).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
    // The same user elsewhere, who has the conversation in the list only.
    const elsewhere = await connect('bob', 1);
    const unread = () =>
      [back, elsewhere].map((c) => c.conversations().find((e) => e.conversation.conversationId === id)?.unreadCount);
    await until('unread', unread, (counts) => counts.every((count) => count === 60));
    const more = await Promise.all([61, 62, 63, 64].map((i) => a.sendMessage(id, { text: `${i}` })));
    await back.sendMessage(id, { text: '65' });
    await until('unread with more', unread, (counts) => counts.every((count) => count === 64));
    await until(
      'committed',
      () => conversation.head.lastSeq,
      (seq) => seq === 65,
    );
    await a.deleteMessage(id, more[0]?.messageId ?? '', 'everyone');
    await until('unread with less', unread, (counts) => counts.every((count) => count === 63));
    await back.markRead(id, 30);
    await until('unread after a part was read', unread, (counts) => counts.every((count) => count === 33));
    await conversation.markRead();
    await until('all read', unread, (counts) => counts.every((count) => count === 0));
  });

  test('edits, reactions, deletions and receipts reach the other side', async () => {
    const [a, b] = await Promise.all([connect('alice', 0), connect('bob', 1)]);
    const id = await group(a, 'bob');
    const [mine, theirs] = [a.conversation(id), b.conversation(id)];
    const first = await mine.send('draft');
    const second = await mine.send('gone soon');
    await converged([mine, theirs], 2);
    await a.editMessage(id, first.messageId, { text: 'final' });
    await b.setReaction(id, first.messageId, '👍');
    await a.deleteMessage(id, second.messageId, 'everyone');
    await b.deleteMessage(id, first.messageId, 'me');
    await until(
      'changed',
      () => mine.messages(),
      ([m, n]) => m?.content?.text === 'final' && m.reactions.length === 1 && (n?.deletedAtMs ?? 0) > 0,
    );
    await until(
      'hidden',
      () => theirs.messages().map((m) => m.seq),
      (seqs) => seqs.length === 1 && seqs[0] === 2,
    );
    await theirs.markRead();
    const read = () => mine.participants.find((p) => p.userId === user('bob').userId)?.readSeq;
    await until('read', read, (seq) => seq === 2);
    expect(mine.head.digest).toBe(theirs.head.digest);
  });

  test('members are told when they join and when they are removed', async () => {
    const [a, b] = await Promise.all([connect('alice', 0), connect('bob', 1)]);
    const told: string[] = [];
    b.on('joined', ({ conversationId }) => told.push(`joined ${conversationId}`));
    b.on('left', ({ conversationId }) => told.push(`left ${conversationId}`));
    const id = await group(a, 'carol');
    await a.addMembers(id, [user('bob').userId]);
    await a.sendMessage(id, { text: 'welcome' });
    await until(
      'joined',
      () => told,
      (t) => t.includes(`joined ${id}`),
    );
    const conversation = b.conversation(id);
    await converged([conversation], 1);
    await a.removeMembers(id, [user('bob').userId]);
    await until(
      'left',
      () => told,
      (t) => t.includes(`left ${id}`),
    );
    expect(conversation.isOpen).toBe(false);
    await expect(b.sendMessage(id, { text: 'still here?' })).rejects.toMatchObject({
      reason: 'CONVERSATION_NOT_FOUND',
    });
  });

  test('another implementation of WebSocket does as well', async () => {
    const a = await connect('alice', 0, { createSocket: (url, protocols) => new WebSocket(url, protocols) });
    const id = await group(a, 'bob');
    await a.sendMessage(id, { text: 'hello' });
    await converged([a.conversation(id)], 1);
  });

  test('the end of the session at the gateway ends the client, with the reason', async () => {
    const signedIn = await signIn(platform, 'erin');
    const client = await connect('erin', 1, { getToken: async () => signedIn.accessToken });
    const closed = new Promise((resolve) => client.on('closed', ({ error }) => resolve(error?.reason)));
    const response = await fetch(`${platform.gatewayUrl}/api/v1/auth/sessions/${signedIn.sessionId}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${signedIn.accessToken}` },
    });
    expect(response.ok).toBe(true);
    expect(await closed).toBe('SESSION_REVOKED');
    await expect(client.getUsers([])).rejects.toMatchObject({ reason: 'SESSION_REVOKED' });
  });

  test('a token that is none ends the client, with the reason', async () => {
    const client = new CaasClient({
      urls: platform.socketUrls,
      getToken: async () => 'none',
      limits: { backoffCapMs: 200 },
    });
    clients.push(client);
    await expect(client.connect()).rejects.toMatchObject({ reason: 'UNAUTHENTICATED' });
    expect(client.state).toBe('closed');
  });
});
