import { until } from '@caas/kit/testing/until';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { KillablePlatform } from './support/killable-platform.ts';
import { signIn, type TestUser, testPlatform } from './support/platform.ts';
import { type Frame, RawClient } from './support/raw-client.ts';

const names = ['alice', 'bob', 'carol', 'dave'] as const;
type Name = (typeof names)[number];

describe.each(['an orderly stop', 'SIGKILL'])('after %s and a start on the same data', (end) => {
  let platform: KillablePlatform;
  const users = new Map<Name, TestUser>();
  const user = (name: Name): TestUser => users.get(name) as TestUser;
  /** Another session of Bob's, ended before the restart. */
  let ended: TestUser;
  let group: string;
  let direct: string;
  let before: Frame;
  let clients: RawClient[] = [];
  const accepted = new Map<string, Frame>();

  const open = async (name: Name, node: number): Promise<RawClient> => {
    const client = await RawClient.open(platform.where.socketUrls[node] as string, user(name).accessToken);
    clients.push(client);
    return client;
  };
  const closeAll = async (): Promise<void> => {
    await Promise.all(clients.map((client) => client.close()));
    clients = [];
  };
  const send = async (client: RawClient, conversationId: string, clientMsgId: string, text: string, retry = false) =>
    client.ask({ sendMessage: { conversationId, clientMsgId, content: { text }, ...(retry && { retry }) } });
  const rest = async (method: string, path: string, options: { token?: string; body?: unknown } = {}) => {
    const response = await fetch(`${platform.where.gatewayUrl}${path}`, {
      method,
      headers: {
        ...(options.token !== undefined && { authorization: `Bearer ${options.token}` }),
        ...(options.body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(options.body !== undefined && { body: JSON.stringify(options.body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  };
  /** Waits until what was done is committed; the log alone survives too, but is applied only later. */
  const committed = (client: RawClient, conversationId: string, lastSeq: number) =>
    client.waitFor((f) => f.event?.head?.conversationId === conversationId && f.event.head.lastSeq >= lastSeq);

  /** Everything that must be as it was, as each user sees it. */
  const state = async (): Promise<Frame> => {
    const seen: Frame = {};
    for (const [i, name] of names.entries()) {
      const client = await open(name, i % 2);
      const { conversations } = await client.ask({ listConversations: { includeLeft: true } });
      const histories: Frame = {};
      const members: Frame = {};
      const pins: Frame = {};
      for (const id of [group, direct]) {
        histories[id] = await client.ask({ getHistory: { conversationId: id, limit: 200 } });
        members[id] = await client.ask({ listMembers: { conversationId: id } });
        pins[id] = await client.ask({ listPins: { conversationId: id } });
        // Each refusal has a trace of its own.
        for (const answer of [histories[id], members[id], pins[id]]) if (answer.error) delete answer.error.traceId;
      }
      const sessions = await rest('GET', '/api/v1/auth/sessions', { token: user(name).accessToken });
      seen[name] = { conversations, histories, members, pins, sessions };
    }
    return seen;
  };

  beforeAll(async () => {
    platform = await KillablePlatform.start({
      limits: { framesPerMinute: 100_000, sendsPerSecond: 1_000, sendsBurst: 1_000 },
    });
    for (const name of names) users.set(name, await signIn(platform.where, name));
    ended = await signIn(platform.where, 'bob');
    const [a, b, c] = [await open('alice', 0), await open('bob', 1), await open('carol', 0)];
    const memberIds = [user('bob').userId, user('carol').userId, user('dave').userId];
    const create = { kind: 'CONVERSATION_KIND_GROUP', memberIds, clientRef: 'team', title: 'team' };
    group = (await a.ask({ createConversation: create })).conversation.conversation.conversationId;
    const other = { kind: 'CONVERSATION_KIND_DIRECT', memberIds: [user('bob').userId] };
    direct = (await a.ask({ createConversation: other })).conversation.conversation.conversationId;
    for (let i = 1; i <= 6; i++) accepted.set(`g${i}`, await send(i % 2 ? a : b, group, `g${i}`, `group ${i}`));
    accepted.set('d1', await send(a, direct, 'd1', 'between us'));
    await committed(b, group, 6);
    await committed(b, direct, 1);
    const act = { conversationId: group, messageId: accepted.get('g1')?.accepted.messageId };
    const gone = { conversationId: group, messageId: accepted.get('g3')?.accepted.messageId };
    await b.ask({ markRead: { conversationId: group, seq: 3 } });
    await c.ask({ markDelivered: { conversationId: group, seq: 5 } });
    await c.ask({ setReaction: { ...act, kind: '👍', present: true } });
    await c.ask({ setPin: { ...act, pinned: true } });
    await a.ask({ editMessage: { ...act, content: { text: 'group 1, edited' } } });
    await a.ask({ deleteMessage: { ...gone, scope: 'DELETE_SCOPE_FOR_EVERYONE' } });
    await b.ask({ deleteMessage: { ...act, scope: 'DELETE_SCOPE_FOR_ME' } });
    await b.ask({ muteConversation: { conversationId: group, mutedUntilMs: 4_000_000_000_000 } });
    await a.ask({ setMemberRole: { conversationId: group, userId: user('carol').userId, role: 'ROLE_ADMIN' } });
    await a.ask({ removeMembers: { conversationId: group, userIds: [user('dave').userId] } });
    const path = `/api/v1/auth/sessions/${ended.sessionId}`;
    expect((await rest('DELETE', path, { token: user('bob').accessToken })).status).toBe(204);
    // One's own receipts, reactions and hidings are told by events.
    await a.waitFor((f) => f.event?.participantChanged?.readSeq === 3);
    await a.waitFor((f) => f.event?.participantChanged?.deliveredSeq === 5);
    await a.waitFor((f) => f.event?.messageChanged?.deletedAtMs > 0);
    await a.waitFor((f) => f.event?.messageChanged?.content?.text === 'group 1, edited');
    await a.waitFor((f) => f.event?.messageChanged?.pinnedAtMs > 0);
    await a.waitFor((f) => f.event?.messageChanged?.reactions?.[0]?.userIds?.includes(user('carol').userId));
    await b.waitFor((f) => f.event?.messageHidden?.messageId === act.messageId);
    await closeAll();
    before = await state();
    if (end === 'SIGKILL') {
      // The kill comes while messages are under way: what of them is kept, the retries below find out.
      const late = await open('alice', 0);
      for (let i = 0; i < 20; i++)
        late.send(
          JSON.stringify({
            id: `l${i}`,
            sendMessage: { conversationId: direct, clientMsgId: `late-${i}`, content: { text: `late ${i}` } },
          }),
        );
      await late.waitFor((f) => f.id === 'l0');
      await platform.kill();
    } else await platform.stop();
    await closeAll();
    await platform.start();
  }, 60_000);
  afterAll(async () => {
    await closeAll();
    await platform?.remove();
  });

  /** The state without what the late messages changed in the direct conversation. */
  const untouched = (seen: Frame): Frame =>
    Object.fromEntries(
      names.map((name) => {
        const { conversations, histories, members, pins, sessions } = seen[name];
        const entries = (conversations.entries ?? []).filter(
          (entry: Frame) => entry.conversation.conversationId === group,
        );
        return [name, { entries, history: histories[group], members: members[group], pins: pins[group], sessions }];
      }),
    );

  test('history, unread counts, receipts, memberships, roles, pins and sessions are as before', async () => {
    const after = await state();
    expect(untouched(after)).toEqual(untouched(before));
    if (end === 'an orderly stop') expect(after).toEqual(before);
    // What is compared is something.
    const [entry] = untouched(after).bob.entries;
    expect(entry).toMatchObject({ own: { readSeq: 3, mutedUntilMs: 4_000_000_000_000 }, unreadCount: 1 });
    expect(after.alice.histories[group].history.messages.map((m: Frame) => m.seq)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(after.bob.histories[group].history.messages.map((m: Frame) => m.seq)).toEqual([2, 3, 4, 5, 6]);
    expect(after.dave.histories[group].error.reason).toBe('ERROR_REASON_CONVERSATION_NOT_FOUND');
    expect(after.alice.members[group].members.members).toHaveLength(3);
  });

  test('an access token from before opens a socket, and a refresh token gives the next pair', async () => {
    const refresh = (token: string) => rest('POST', '/api/v1/auth/token/refresh', { body: { refresh_token: token } });
    const { status, body } = await refresh(user('carol').refreshToken);
    expect(status).toBe(200);
    const renewed = await RawClient.open(platform.where.socketUrls[0] as string, body.access_token);
    clients.push(renewed);
    expect(renewed.frames[0].event.welcome).toMatchObject({
      userId: user('carol').userId,
      sessionId: user('carol').sessionId,
    });
    await refresh(ended.refreshToken).then((answer) => {
      expect(answer).toMatchObject({ status: 401, body: { reason: 'SESSION_REVOKED' } });
    });
  });

  test('a session that was ended before stays ended', async () => {
    const client = new RawClient(platform.where.socketUrls[1] as string, ended.accessToken);
    const refusal = await client.waitFor((f) => f.error);
    expect(refusal.error).toMatchObject({ reason: 'ERROR_REASON_SESSION_REVOKED' });
    expect(refusal.error.traceId).toMatch(/^[0-9a-f]{32}$/);
    await client.waitClosed();
  });

  test('a retry of a send from before gives the same message and makes no second one; other content is a conflict', async () => {
    const a = await open('alice', 1);
    const first = accepted.get('g5')?.accepted;
    const again = await send(a, group, 'g5', 'group 5', true);
    expect(again.accepted).toMatchObject({
      messageId: first.messageId,
      position: first.position,
      acceptedAtMs: first.acceptedAtMs,
    });
    expect((await send(a, group, 'g5', 'something else', true)).error).toMatchObject({
      reason: 'ERROR_REASON_IDEMPOTENCY_CONFLICT',
    });
    const { history } = await a.ask({ getHistory: { conversationId: group } });
    expect(history.head.lastSeq).toBe(6);
  });

  test('messages that were under way are there once each after their retries, in any case', async () => {
    const a = await open('alice', 1);
    const count = end === 'SIGKILL' ? 20 : 5;
    const ids: string[] = [];
    for (let i = 0; i < count; i++)
      ids.push((await send(a, direct, `late-${i}`, `late ${i}`, true)).accepted.messageId);
    for (let i = 0; i < count; i++)
      expect((await send(a, direct, `late-${i}`, `late ${i}`, true)).accepted.messageId).toBe(ids[i]);
    const { history } = await until(
      'all are committed',
      () => a.ask({ getHistory: { conversationId: direct, limit: 200 } }),
      (answer) => answer.history.head.lastSeq >= 1 + count,
    );
    expect(history.messages.map((m: Frame) => m.messageId)).toEqual([accepted.get('d1')?.accepted.messageId, ...ids]);
    expect(history.head.lastSeq).toBe(1 + count);
  });
});

test('after a restart, what was kept decides a retry, whatever the node has taken since', async () => {
  const first = await testPlatform();
  const alice = await signIn(first, 'alice');
  const bob = await signIn(first, 'bob');
  const before = await RawClient.open(first.socketUrls[0] as string, alice.accessToken);
  const created = await before.ask({
    createConversation: { kind: 'CONVERSATION_KIND_DIRECT', memberIds: [bob.userId] },
  });
  const { conversationId } = created.conversation.conversation;
  const say = (client: RawClient, text: string, retry: boolean) =>
    client.ask({ sendMessage: { conversationId, clientMsgId: 'm1', content: { text }, ...(retry && { retry }) } });
  const kept = (await say(before, 'kept', false)).accepted;
  await before.waitFor((f) => f.event?.head?.lastSeq === 1);
  await before.close();
  await first.stop({ remove: false });

  const second = await testPlatform({ dataDir: first.dataDir });
  const after = await RawClient.open(second.socketUrls[0] as string, alice.accessToken);
  // The node does not know of it yet: it takes other words under the same id, and tells that they were rejected.
  expect((await say(after, 'other', false)).accepted.messageId).toBe(kept.messageId);
  await after.waitFor((f) => f.event?.rejected?.messageId === kept.messageId);
  expect((await say(after, 'other', true)).error.reason).toBe('ERROR_REASON_IDEMPOTENCY_CONFLICT');
  expect((await say(after, 'kept', true)).accepted).toMatchObject({
    messageId: kept.messageId,
    position: kept.position,
  });
  await after.close();
  await second.stop();
});
