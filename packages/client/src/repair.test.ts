import { afterEach, describe, expect, test } from '@jest/globals';
import { emptyDigest, nextDigest } from './digest.ts';
import { aClient, anOnlineClient, closeClients } from './testing/a-client.ts';
import { settled } from './testing/fake-clock.ts';
import type { FakeSocket } from './testing/fake-socket.ts';

afterEach(closeClients);

/** Heads of a conversation whose messages m1, m2 … have positions 1, 2 … */
const headOf = (conversationId: string, seq: number) => {
  let digest = emptyDigest;
  for (let i = 1; i <= seq; i++) digest = nextDigest(digest, `m${i}`);
  return { conversationId, headRev: seq, prevHeadRev: Math.max(0, seq - 1), lastSeq: seq, lastPosition: seq, digest };
};
const messageOf = (conversationId: string, n: number) => ({
  message: { messageId: `m${n}`, conversationId, senderId: 'you', position: n },
});
const entryOf = (conversationId: string, seq: number) => ({
  conversation: { conversationId, head: headOf(conversationId, seq) },
  own: { userId: 'me', conversationId, state: 'PARTICIPANT_STATE_ACTIVE' },
  unreadCount: seq,
});
const asked = (socket: FakeSocket, verb: string) => socket.sent.filter((frame) => frame.verb === verb).length;

describe('a conversation behind its head', () => {
  const opened = async () => {
    const all = await anOnlineClient();
    const conversation = all.client.conversation('c');
    await settled();
    const delta = { conversationId: 'c', head: headOf('c', 0), cursor: 'x' };
    await all.socket(0).answer('sync', { reply: { sync: { deltas: [delta] } } });
    return { ...all, conversation, node: all.socket(0) };
  };

  test('waits for a message that is a little late, and asks nothing when it comes', async () => {
    const { clock, conversation, node } = await opened();
    await node.event({ head: headOf('c', 1) });
    await clock.pass(99);
    await node.event(messageOf('c', 1));
    expect(conversation.head.lastSeq).toBe(1);
    await clock.pass(10_000);
    expect(asked(node, 'sync')).toBe(0);
  });

  test('is synced after the grace, and later each time while messages do not come by themselves', async () => {
    const { clock, client, node } = await opened();
    const waits: number[] = [];
    for (let seq = 1; seq <= 6; seq++) {
      await node.event({ head: headOf('c', seq) });
      const beganMs = clock.now();
      while (asked(node, 'sync') === 0) await clock.pass(10);
      waits.push(clock.now() - beganMs);
      const { message } = messageOf('c', seq);
      const delta = {
        conversationId: 'c',
        head: headOf('c', seq),
        cursor: 'x',
        messages: [{ ...message, seq, rev: seq }],
      };
      await node.answer('sync', { reply: { sync: { deltas: [delta] } } });
    }
    expect(waits).toEqual([100, 200, 400, 800, 1_000, 1_000]);
    expect(client.stats().divergences).toBe(0);
    await clock.pass(5_010);
    await node.event({ head: headOf('c', 7) });
    await clock.pass(100);
    expect(asked(node, 'sync')).toBe(1);
  });
});

describe('an unread count', () => {
  const listed = async (ids: readonly string[], seq: number) => {
    const all = aClient();
    const connected = all.client.connect();
    await settled();
    await all.socket(0).welcome();
    await connected;
    const list = () =>
      all
        .socket(0)
        .answer('listConversations', { reply: { conversations: { entries: ids.map((id) => entryOf(id, seq)) } } });
    const unread = (id: string) =>
      all.client.conversations().find((e) => e.conversation.conversationId === id)?.unreadCount;
    return { ...all, node: all.socket(0), list, unread };
  };

  test('follows the heads without a question', async () => {
    const { clock, node, list, unread } = await listed(['c'], 2);
    await list();
    await node.event({ head: headOf('c', 3) });
    await clock.pass(200);
    await node.event(messageOf('c', 3));
    await clock.pass(10_000);
    expect([unread('c'), asked(node, 'getConversation')]).toEqual([3, 0]);
  });

  test('is asked for again once when messages were missed, however many heads tell of it', async () => {
    const { clock, node, list, unread } = await listed(['c'], 2);
    await list();
    for (const seq of [5, 6, 7]) await node.event({ head: headOf('c', seq) });
    await clock.pass(249);
    expect(asked(node, 'getConversation')).toBe(0);
    await clock.pass(1);
    await node.event({ head: headOf('c', 8) });
    await clock.pass(5_000);
    expect(asked(node, 'getConversation')).toBe(1);
    await node.answer('getConversation', { reply: { conversation: entryOf('c', 8) } });
    await clock.pass(60_000);
    expect([unread('c'), asked(node, 'getConversation')]).toEqual([8, 0]);
  });

  test('is asked for again when the answer was too old or a refusal for a while', async () => {
    const { clock, node, list, unread } = await listed(['c'], 2);
    await list();
    await node.event({ head: headOf('c', 4) });
    await clock.pass(250);
    await node.answer('getConversation', { reply: { conversation: entryOf('c', 3) } });
    await node.event({ head: headOf('c', 6) });
    await clock.pass(250);
    const error = { reason: 'ERROR_REASON_RATE_LIMITED', retryable: true, retryAfterMs: 3_000 };
    await node.answer('getConversation', { error });
    await clock.pass(2_999);
    expect(asked(node, 'getConversation')).toBe(0);
    await clock.pass(1);
    await node.answer('getConversation', { reply: { conversation: entryOf('c', 6) } });
    expect(unread('c')).toBe(6);
  });

  test('in many conversations is asked for at a bounded rate', async () => {
    const ids = Array.from({ length: 60 }, (_, i) => `c${i}`);
    const { clock, node, list } = await listed(ids, 0);
    await list();
    for (const id of ids) await node.event({ head: headOf(id, 2) });
    await clock.pass(250);
    expect(asked(node, 'getConversation')).toBe(20);
    await clock.pass(15_000);
    expect(asked(node, 'getConversation')).toBe(30);
  });

  test('of a conversation just told of is not asked for while the list is being read', async () => {
    const { clock, node, list, unread } = await listed(['c'], 3);
    await node.event(messageOf('c', 3));
    await node.event(messageOf('d', 1));
    await clock.pass(500);
    expect(asked(node, 'getConversation')).toBe(0);
    await list();
    expect([unread('c'), unread('d')]).toEqual([3, undefined]);
    expect(node.sent.map((frame) => frame.request)).toEqual([{ conversationId: 'd' }]);
  });
});
