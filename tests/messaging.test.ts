import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { signIn, type TestPlatform, type TestUser, testPlatform } from './support/platform.ts';
import { RawClient } from './support/raw-client.ts';

describe('two users on two nodes', () => {
  let platform: TestPlatform;
  let [alice, bob]: TestUser[] = [];
  let a: RawClient;
  let b: RawClient;
  let conversationId: string;

  beforeAll(async () => {
    platform = await testPlatform({ limits: { framesPerMinute: 10_000 } });
    [alice, bob] = await Promise.all([signIn(platform, 'alice'), signIn(platform, 'bob')]);
    a = await RawClient.open(platform.socketUrls[0] as string, (alice as TestUser).accessToken);
    b = await RawClient.open(platform.socketUrls[1] as string, (bob as TestUser).accessToken);
    const created = await a.ask({ createConversation: { kind: 'CONVERSATION_KIND_DIRECT', memberIds: [bob?.userId] } });
    conversationId = created.conversation.conversation.conversationId;
  });
  afterAll(async () => {
    await Promise.all([a.close(), b.close()]);
    await platform.stop();
  });

  const send = (client: RawClient, clientMsgId: string, text: string) =>
    client.ask({ sendMessage: { conversationId, clientMsgId, content: { text } } });

  test('a message is on the other person’s screen, then confirmed by a head', async () => {
    const reply = await send(a, 'm1', 'hello');
    expect(reply.accepted).toMatchObject({
      messageId: expect.any(String),
      position: expect.any(Number),
      traceId: expect.stringMatching(/^[0-9a-f]{32}$/),
    });
    const seen = await b.waitFor((f) => f.event?.message?.messageId === reply.accepted.messageId);
    expect(seen.event.message).toMatchObject({
      senderId: alice?.userId,
      content: { text: 'hello' },
      position: reply.accepted.position,
    });
    const head = await b.waitFor((f) => f.event?.head?.lastSeq === 1);
    expect(head.event.head.lastPosition).toBe(reply.accepted.position);
  });

  test('the direct conversation of two users is the same from both sides', async () => {
    const again = await b.ask({ createConversation: { kind: 'CONVERSATION_KIND_DIRECT', memberIds: [alice?.userId] } });
    expect(again.conversation.conversation.conversationId).toBe(conversationId);
  });

  test('a page that is exactly full tells whether it was the last', async () => {
    const pages = async (command: string, request: object): Promise<(string | undefined)[]> => {
      const answer = (await a.ask({ [command]: request })) as Record<string, { next?: string }>;
      return Object.values(answer).map(({ next }) => next);
    };
    const members = [alice, bob].map((user) => (user as TestUser).userId).toSorted();
    expect(await pages('listMembers', { conversationId, limit: 1 })).toEqual([members[0]]);
    expect(await pages('listMembers', { conversationId, limit: 1, after: members[0] })).toEqual([undefined]);
    expect(await pages('listMembers', { conversationId, limit: 2 })).toEqual([undefined]);
    const group = { kind: 'CONVERSATION_KIND_GROUP', title: 'second', clientRef: 'second' };
    const second = (await a.ask({ createConversation: group })).conversation.conversation.conversationId;
    const [first, last] = [conversationId, second].toSorted();
    expect(await pages('listConversations', { limit: 1 })).toEqual([first]);
    expect(await pages('listConversations', { limit: 1, after: first })).toEqual([undefined]);
    expect(await pages('listConversations', { limit: 2, after: '' })).toEqual([undefined]);
    expect(await pages('listConversations', { limit: 200, after: last })).toEqual([undefined]);
  });

  test('sending twice gives the same answer, other content a conflict', async () => {
    const first = await send(a, 'm2', 'twice');
    expect(await send(a, 'm2', 'twice')).toEqual({ accepted: { ...first.accepted, traceId: expect.any(String) } });
    expect((await send(a, 'm2', 'other')).error).toMatchObject({ reason: 'ERROR_REASON_IDEMPOTENCY_CONFLICT' });
  });

  test('edits, reactions, pins and deletions reach everyone', async () => {
    const { messageId } = (await send(a, 'm3', 'draft')).accepted;
    await a.waitFor((f) => f.event?.head?.lastSeq >= 3);
    const act = { conversationId, messageId };
    expect((await a.ask({ editMessage: { ...act, content: { text: 'final' } } })).accepted.messageId).toBe(messageId);
    await b.waitFor((f) => f.event?.messageChanged?.content?.text === 'final');
    await b.ask({ setReaction: { ...act, kind: '👍', present: true } });
    await a.waitFor((f) => f.event?.messageChanged?.reactions?.[0]?.userIds?.includes(bob?.userId));
    await b.ask({ setPin: { ...act, pinned: true } });
    await a.waitFor((f) => f.event?.messageChanged?.pinnedBy === bob?.userId);
    expect((await a.ask({ listPins: { conversationId } })).history.messages).toHaveLength(1);
    expect((await b.ask({ editMessage: { ...act, content: { text: 'mine' } } })).error.reason).toBe(
      'ERROR_REASON_PERMISSION_DENIED',
    );
    await a.ask({ deleteMessage: { ...act, scope: 'DELETE_SCOPE_FOR_EVERYONE' } });
    const gone = await b.waitFor((f) => f.event?.messageChanged?.deletedAtMs > 0);
    expect(gone.event.messageChanged).toMatchObject({ messageId, seq: 3 });
    expect(gone.event.messageChanged.content).toBeUndefined();
  });

  test('history, unread counts and receipts are exact', async () => {
    const before = await b.ask({ getConversation: { conversationId } });
    expect(before.conversation.unreadCount).toBe(2); // three messages, one of them a tombstone
    expect((await b.ask({ markRead: { conversationId, seq: 3 } })).done).toBeDefined();
    await a.waitFor((f) => f.event?.participantChanged?.readSeq === 3);
    const after = await b.ask({ listConversations: {} });
    expect(after.conversations.entries[0].unreadCount).toBeUndefined();
    const { history } = await b.ask({ getHistory: { conversationId, limit: 2 } });
    expect(history.messages.map((m: { seq: number }) => m.seq)).toEqual([2, 3]);
    expect(history.moreBefore).toBe(true);
  });

  test('sync gives every change since a cursor', async () => {
    const first = (await b.ask({ sync: { conversations: [{ conversationId }] } })).sync.deltas[0];
    expect(first.messages.map((m: { seq: number }) => m.seq)).toEqual([1, 2, 3]);
    await send(a, 'm4', 'later');
    await b.waitFor((f) => f.event?.head?.lastSeq === 4);
    const second = (await b.ask({ sync: { conversations: [{ conversationId, cursor: first.cursor }] } })).sync
      .deltas[0];
    expect(second.messages.map((m: { content: { text: string } }) => m.content.text)).toEqual(['later']);
    expect(second.head.lastSeq).toBe(4);
  });

  test('typing and presence are told', async () => {
    await b.ask({ watchPresence: { userIds: [alice?.userId] } });
    await a.ask({ setTyping: { conversationId, typing: true } });
    await b.waitFor((f) => f.event?.typing?.userId === alice?.userId);
  });
});
