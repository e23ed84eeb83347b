import { CaasClient } from '@caas/client';
import { memoryNodeInbox } from '@caas/key-value';
import { until } from '@caas/kit/testing/until';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { Faults } from './support/faults.ts';
import { signIn, type TestPlatform, type TestUser, testPlatform } from './support/platform.ts';
import { type Frame, RawClient } from './support/raw-client.ts';

/** ADR 15. */
describe('what is sent again', () => {
  const faults = new Faults();
  let platform: TestPlatform;
  const users = new Map<string, TestUser>();
  let clients: { close(): unknown }[] = [];
  let conversations = 0;

  beforeAll(async () => {
    platform = await testPlatform({
      between: faults.between,
      limits: { framesPerMinute: 100_000, sendsPerSecond: 10_000, sendsBurst: 10_000 },
    });
    for (const name of ['alice', 'bob', 'carol']) users.set(name, await signIn(platform, name));
  });
  afterEach(async () => {
    faults.heal();
    // A node that saw the store fail takes it for away until its next check.
    for (const node of [0, 1]) {
      const client = await open('alice', node);
      await until('the store is back', async () => (await client.ask({ listConversations: {} })).error === undefined);
    }
    for (const client of clients) await client.close();
    clients = [];
  });
  afterAll(() => platform.stop());

  const user = (name: string): TestUser => users.get(name) as TestUser;
  const open = async (name: string, node: number): Promise<RawClient> => {
    const client = await RawClient.open(platform.socketUrls[node] as string, user(name).accessToken);
    clients.push(client);
    return client;
  };
  const group = async (owner: RawClient, more: Frame = {}): Promise<string> => {
    const create = { kind: 'CONVERSATION_KIND_GROUP', memberIds: [user('bob').userId], ...more };
    const reply = await owner.ask({ createConversation: { ...create, clientRef: `again-${++conversations}` } });
    return reply.conversation.conversation.conversationId;
  };
  const hidden = { historyForNewMembers: false };
  const sending = (conversationId: string, clientMsgId: string, text: string, retry = false): Frame => ({
    sendMessage: { conversationId, clientMsgId, content: { text }, ...(retry && { retry }) },
  });
  const committed = (client: RawClient, conversationId: string, count: number): Promise<Frame> =>
    until(
      'committed',
      async () => (await client.ask({ getHistory: { conversationId, limit: 200 } })).history,
      // Undefined where it is refused for a moment: a node knows before it asks that the store is away.
      (history) => (history?.head.lastSeq ?? 0) >= count,
    );
  const addCarol = (client: RawClient, conversationId: string): Promise<Frame> =>
    client.ask({ addMembers: { conversationId, userIds: [user('carol').userId] } });
  const textsOf = (client: RawClient): string[] => client.events('message').map((m) => m.content.text);
  const messageOf = (text: string) => (f: Frame) => f.event?.message?.content?.text === text;
  const sdkOf = async (name: string, conversationId: string) => {
    const client = new CaasClient({
      urls: [platform.socketUrls[1] as string],
      getToken: async () => user(name).accessToken,
    });
    clients.push(client);
    await client.connect();
    const conversation = client.conversation(conversationId);
    await until('loaded', () => conversation.isLoaded, Boolean);
    return { client, conversation };
  };

  test('is answered as before and told to nobody, least of all to who joined without the history it is in', async () => {
    const [a, a2, c] = [await open('alice', 0), await open('alice', 1), await open('carol', 1)];
    const id = await group(a, hidden);
    const first = (await a.ask(sending(id, 'm', 'before carol'))).accepted;
    await committed(a, id, 1);
    await addCarol(a, id);
    await c.waitFor((f) => f.event?.conversationChanged?.conversationId === id);
    // The sender's client lost its answer and says it again through the other node, without the flag.
    expect((await a2.ask(sending(id, 'm', 'before carol'))).accepted).toMatchObject({ position: first.position });
    expect((await a2.ask(sending(id, 'm', 'something else'))).error.reason).toBe('ERROR_REASON_IDEMPOTENCY_CONFLICT');
    await a2.ask(sending(id, 'm2', 'after'));
    await c.waitFor(messageOf('after'));
    expect(textsOf(c)).toEqual(['after']);
  });

  test('is told to nobody where the store can’t say whether it was kept: not what is hidden, not what is deleted', async () => {
    const [a, a2, c] = [await open('alice', 0), await open('alice', 1), await open('carol', 1)];
    const b = await open('bob', 1);
    const id = await group(a, hidden);
    await a.ask(sending(id, 'm', 'before carol'));
    await a.ask(sending(id, 'd', 'deleted'));
    const { messages } = await committed(a, id, 2);
    const { messageId } = messages[1];
    await a.ask({ deleteMessage: { conversationId: id, messageId, scope: 'DELETE_SCOPE_FOR_EVERYONE' } });
    await a.waitFor((f) => f.event?.messageChanged?.deletedAtMs);
    await addCarol(a, id);
    await c.waitFor((f) => f.event?.conversationChanged?.conversationId === id);
    await a2.ask({ getConversation: { conversationId: id } });
    const before = textsOf(b);
    const back = faults.away('store.');
    const again = [
      await a2.ask(sending(id, 'm', 'before carol', true)),
      await a2.ask(sending(id, 'd', 'deleted', true)),
      await a2.ask(sending(id, 'n', 'new, for all it knows', true)),
    ];
    expect(again.map((reply) => Object.keys(reply))).toEqual([['accepted'], ['accepted'], ['accepted']]);
    back();
    await a2.ask(sending(id, 'm2', 'after'));
    for (const client of [b, c]) await client.waitFor(messageOf('after'));
    expect(textsOf(c)).toEqual(['after']);
    expect(textsOf(b)).toEqual([...before, 'after']);
    // What was new is there, by head and sync.
    await committed(c, id, 4);
    const delta = (await c.ask({ sync: { conversations: [{ conversationId: id }] } })).sync.deltas[0];
    expect(delta.messages.map((m: Frame) => m.content.text)).toEqual(['new, for all it knows', 'after']);
  });

  test('goes on live without the store where nobody says that it is a repetition, also where history is hidden', async () => {
    const [a, b] = [await open('alice', 0), await open('bob', 1)];
    const id = await group(a, hidden);
    await a.ask(sending(id, 'm', 'with it'));
    await committed(b, id, 1);
    faults.away('store.');
    expect((await a.ask(sending(id, 'n', 'without it'))).accepted).toBeDefined();
    await b.waitFor(messageOf('without it'));
  });

  test('leaves nothing behind where it was told all the same: the next head decides it, with no message after it', async () => {
    const [a, a2] = [await open('alice', 0), await open('alice', 1)];
    const id = await group(a, hidden);
    await a.ask(sending(id, 'm', 'before carol'));
    await committed(a, id, 1);
    await addCarol(a, id);
    const { client, conversation } = await sdkOf('carol', id);
    const c = await open('carol', 1);
    await a2.ask({ getConversation: { conversationId: id } });
    const shown: string[] = [];
    client.on('message', ({ content }) => shown.push(content?.text ?? ''));
    const back = faults.away('store.');
    // Without the flag, and the store can't tell: its sender says it now.
    const { position } = (await a2.ask(sending(id, 'm', 'before carol'))).accepted;
    await until(
      'told',
      () => shown,
      (texts) => texts.length === 1,
    );
    expect(conversation.items()).toHaveLength(1);
    expect(client.stats().pending).toBe(1);
    back();
    const { head } = (await c.waitFor((f) => f.event?.head?.decidedPosition >= position)).event;
    expect(head).toMatchObject({ lastSeq: 1, decidedPosition: position });
    await until(
      'gone',
      () => conversation.items(),
      (items) => items.length === 0,
    );
    expect(client.stats().pending).toBe(0);
    const entry = () => client.conversations().find((e) => e.conversation.conversationId === id);
    await until('not in the list either', entry, (e) => e?.unreadCount === 0 && e.lastMessage === undefined);
  });

  test('reaches no SDK of who joined without the history, by an outbox’s retry while the store is away', async () => {
    const [a, a2] = [await open('alice', 0), await open('alice', 1)];
    const id = await group(a, hidden);
    await a.ask(sending(id, 'd', 'secret'));
    await committed(a, id, 1);
    await addCarol(a, id);
    const { client, conversation } = await sdkOf('carol', id);
    await a2.ask({ getConversation: { conversationId: id } });
    const shown: string[] = [];
    client.on('message', ({ content }) => shown.push(content?.text ?? ''));
    const back = faults.away('store.');
    await a2.ask(sending(id, 'd', 'secret', true));
    back();
    await a2.ask(sending(id, 'e', 'after'));
    await until(
      'the next one is committed',
      () => conversation.items(),
      ([item]) => item?.status === 'committed',
    );
    expect(conversation.items().map((item) => item.message?.content?.text)).toEqual(['after']);
    expect(shown).toEqual(['after']);
  });
});

describe('what was sent just before one joined without history', () => {
  test('is not delivered by an envelope that comes after the join', async () => {
    const platform = await testPlatform();
    const inbox = Object.getPrototypeOf(memoryNodeInbox()) as {
      send(node: string, bytes: Uint8Array): Promise<void>;
    };
    const { send } = inbox;
    try {
      const [alice, bob, carol] = [
        await signIn(platform, 'alice'),
        await signIn(platform, 'bob'),
        await signIn(platform, 'carol'),
      ];
      const [one, two] = platform.socketUrls as [string, string];
      const a = await RawClient.open(one, alice.accessToken);
      const b = await RawClient.open(two, bob.accessToken);
      const c = await RawClient.open(two, carol.accessToken);
      const create = { kind: 'CONVERSATION_KIND_GROUP', memberIds: [bob.userId], historyForNewMembers: false };
      const id = (await a.ask({ createConversation: { ...create, clientRef: 'late' } })).conversation.conversation
        .conversationId;
      await b.waitFor((f) => f.event?.conversationChanged?.conversationId === id);
      // Envelopes to the other node take their time, in order.
      let release: () => void = () => undefined;
      const released = new Promise<void>((resolve) => {
        release = resolve;
      });
      inbox.send = async function (node, bytes) {
        if (node === 'socket-2') await released;
        return send.call(this, node, bytes);
      };
      await a.ask({ sendMessage: { conversationId: id, clientMsgId: 'm', content: { text: 'before carol' } } });
      await a.waitFor((f) => f.event?.head?.conversationId === id && f.event.head.lastSeq === 1);
      await a.ask({ addMembers: { conversationId: id, userIds: [carol.userId] } });
      await c.waitFor((f) => f.event?.conversationChanged?.conversationId === id);
      release();
      await a.ask({ sendMessage: { conversationId: id, clientMsgId: 'n', content: { text: 'after' } } });
      for (const client of [b, c]) await client.waitFor((f) => f.event?.message?.content?.text === 'after');
      expect(b.events('message').map((m) => m.content.text)).toEqual(['before carol', 'after']);
      expect(c.events('message').map((m) => m.content.text)).toEqual(['after']);
      for (const client of [a, b, c]) await client.close();
    } finally {
      inbox.send = send;
      await platform.stop();
    }
  });
});
