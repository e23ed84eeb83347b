import { type Reason, reasonTable } from '@caas/kit';
import { until } from '@caas/kit/testing/until';
import { descriptors } from '@caas/proto/descriptor';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { WebSocket } from 'ws';
import { Faults } from './support/faults.ts';
import { signIn, type TestPlatform, type TestUser, testPlatform } from './support/platform.ts';
import { type Frame, RawClient } from './support/raw-client.ts';

/** Names of all commands, from the contract itself. */
const commandsOfContract = (): string[] =>
  descriptors()
    .getMessage('caas.socket.v1.ClientFrame')
    ?.oneofs.flatMap((oneof) => oneof.fields.map((field) => field.jsonName)) ?? [];

const maxPendingSends = 5;
const maxRecentSends = 3;
const maxQueuedBytes = 64 * 1024;
/** Longer than what is sent to a reader that comes back takes, on a slow machine too. */
/** Longer than it takes a busy machine to send what no socket and queue can hold, and to index it. */
const slowConsumerMs = 20_000;

interface NodeStats {
  connections: number;
  recentSends: number;
  backlogBytes: number;
  ended: Record<string, number>;
}

describe('invariant', () => {
  const faults = new Faults();
  let platform: TestPlatform;
  const users = new Map<string, TestUser>();
  let clients: RawClient[] = [];
  let conversations = 0;

  beforeAll(async () => {
    platform = await testPlatform({
      between: faults.between,
      bounds: { maxPendingSends, maxRecentSends, maxQueuedBytes, slowConsumerMs },
      limits: { framesPerMinute: 100_000, sendsPerSecond: 10_000, sendsBurst: 10_000, maxConnections: 3 },
    });
    for (const name of ['alice', 'bob', 'carol']) users.set(name, await signIn(platform, name));
  });
  afterEach(async () => {
    faults.heal();
    // One that does not read would not see its end.
    for (const client of clients) client.ws.resume();
    await Promise.all(clients.map((client) => client.close()));
    clients = [];
  });
  afterAll(() => platform.stop());

  const user = (name: string): TestUser => users.get(name) as TestUser;
  const open = async (name: string, node: number): Promise<RawClient> => {
    const client = await RawClient.open(platform.socketUrls[node] as string, user(name).accessToken);
    clients.push(client);
    return client;
  };
  const group = async (owner: RawClient, ...members: string[]): Promise<string> => {
    const memberIds = members.map((name) => user(name).userId);
    const create = { kind: 'CONVERSATION_KIND_GROUP', memberIds, clientRef: `bounds-${++conversations}` };
    return (await owner.ask({ createConversation: create })).conversation.conversation.conversationId;
  };
  const statsOf = (service: string): NodeStats =>
    (platform.services.get(service) as unknown as { current: { stats(): NodeStats } }).current.stats();
  const sending = (conversationId: string, clientMsgId: string, text: string, retry = false): Frame => ({
    sendMessage: { conversationId, clientMsgId, content: { text }, ...(retry && { retry }) },
  });
  const committed = (client: RawClient, conversationId: string, count: number): Promise<Frame> =>
    until(
      'committed',
      async () => (await client.ask({ getHistory: { conversationId, limit: 200 } })).history,
      ({ head }) => head.lastSeq >= count,
    );

  test('11: bounded: sends beyond those that wait for the log are refused as overload, and the others are kept', async () => {
    const a = await open('alice', 0);
    const id = await group(a, 'bob');
    const log = faults.hold('log.append', ([records]) => records.some((r: Frame) => r.topic === 'message.sent'));
    const answers = Array.from({ length: 12 }, (_, i) => a.ask(sending(id, `m${i}`, `m${i}`)));
    const refused = await Promise.all(answers.slice(maxPendingSends));
    for (const { error } of refused)
      expect(error).toMatchObject({
        reason: 'ERROR_REASON_OVERLOADED',
        retryable: true,
        retryAfterMs: expect.any(Number),
        details: { limit: 'maxPendingSends', value: String(maxPendingSends), unit: 'records' },
      });
    log.release();
    for (const answer of answers.slice(0, maxPendingSends)) expect((await answer).accepted).toBeDefined();
    // What was refused was not remembered as sent.
    for (let i = maxPendingSends; i < 12; i++)
      expect((await a.ask(sending(id, `m${i}`, `m${i}`))).accepted).toBeDefined();
    const { messages } = await committed(a, id, 12);
    expect(messages.map((m: Frame) => m.content.text)).toEqual(Array.from({ length: 12 }, (_, i) => `m${i}`));
  });

  test('11: bounded: a node forgets the oldest sends it remembers, and their retries are answered all the same', async () => {
    const a = await open('alice', 0);
    const id = await group(a, 'bob');
    const first: Frame[] = [];
    for (let i = 0; i < 4 * maxRecentSends; i++) first.push((await a.ask(sending(id, `m${i}`, `m${i}`))).accepted);
    await committed(a, id, first.length);
    expect(statsOf('socket-1').recentSends).toBeGreaterThan(0);
    expect(statsOf('socket-1').recentSends).toBeLessThanOrEqual(maxRecentSends);
    for (const [i, { messageId, position }] of first.entries()) {
      expect((await a.ask(sending(id, `m${i}`, `m${i}`, true))).accepted).toMatchObject({ messageId, position });
      expect((await a.ask(sending(id, `m${i}`, 'other', true))).error.reason).toBe('ERROR_REASON_IDEMPOTENCY_CONFLICT');
    }
    expect((await committed(a, id, first.length)).head.lastSeq).toBe(first.length);
  });

  test('11: bounded: who does not read is told later or let go, and holds up nobody', async () => {
    const [a, b, c] = [await open('alice', 0), await open('bob', 1), await open('carol', 1)];
    const id = await group(a, 'bob', 'carol');
    await a.ask(sending(id, 'm', 'm'));
    for (const client of [b, c]) await client.waitFor((f) => f.event?.message?.content?.text === 'm');
    // A reader that stops for good, and one that comes back.
    b.ws.pause();
    c.ws.pause();
    const text = 'x'.repeat(16_000);
    let lastSeq = 1;
    let most = 0;
    const sendMany = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i += 4) {
        // Four at a time: the bound of pending sends.
        const sent = Array.from({ length: 4 }, () => a.ask(sending(id, `m${++lastSeq}`, text)));
        for (const answer of await Promise.all(sent)) expect(answer.accepted).toBeDefined();
        most = Math.max(most, statsOf('socket-2').backlogBytes);
      }
    };
    // More than sockets and queue hold together: about 17 MB for each of two readers, where systems hold 10.
    await sendMany(1_100);
    // The node kept for the two what it may, of 17 MB for each.
    expect(most).toBeGreaterThan(maxQueuedBytes);
    expect(most).toBeLessThanOrEqual(2 * maxQueuedBytes);
    c.ws.resume();
    await c.waitFor((f) => f.event?.limited, 10_000);
    const received = c.events('message').length;
    expect(received).toBeLessThan(lastSeq);
    // What it missed, sync tells: it is still there.
    await committed(c, id, lastSeq);
    await until(
      'the other is let go',
      () => statsOf('socket-2').ended,
      (ended) => ended['SLOW_CONSUMER'] === 1,
      slowConsumerMs + 10_000,
    );
    // Reads again, so that it hears why.
    b.ws.resume();
    expect(await b.waitClosed(10_000)).toEqual({ code: 4408, reason: 'SLOW_CONSUMER' });
    expect(c.closed).toBeUndefined();
    await until(
      'it is gone',
      () => statsOf('socket-2').connections,
      (connections) => connections === 1,
    );
    expect(b.events('message').length).toBeLessThan(lastSeq);
  }, 90_000);

  test('11: bounded: a user has so many connections, whatever the nodes, and no more until one is closed', async () => {
    const mine = [await open('bob', 0), await open('bob', 0), await open('bob', 1)];
    const over = new RawClient(platform.socketUrls[1] as string, user('bob').accessToken);
    expect((await over.waitFor((f) => f.error)).error).toMatchObject({
      reason: 'ERROR_REASON_TOO_MANY_CONNECTIONS',
      details: { limit: 'maxConnections', value: '3', unit: 'connections' },
    });
    expect(await over.waitClosed()).toMatchObject({ code: 4430 });
    await mine[0]?.close();
    await until(
      'there is room again',
      async () => {
        const client = new RawClient(platform.socketUrls[1] as string, user('bob').accessToken);
        clients.push(client);
        const first = await client.waitFor((f) => f.error ?? f.event?.welcome);
        return first.event?.welcome !== undefined;
      },
      Boolean,
    );
  });

  /** What every refusal has: a reason of the table with its retry hint, and a trace id; the one of the request where it had one. */
  const expectWhole = (error: Frame, trace?: string): Reason => {
    const reason = String(error?.reason).replace('ERROR_REASON_', '') as Reason;
    const rule = reasonTable.get(reason);
    expect({ error, known: rule !== undefined }).toEqual({ error, known: true });
    expect(error.retryable ?? false).toBe(rule?.retryable);
    if (rule?.retryable) expect(error.retryAfterMs ?? 0).toBeGreaterThanOrEqual(rule.retryAfterMs);
    expect(error.message).toBeTruthy();
    expect(error.traceId).toMatch(/^(?!0{32})[0-9a-f]{32}$/);
    if (trace) expect(error.traceId).toBe(trace);
    return reason;
  };

  test('12: nothing silent: whatever command is refused, it is with reason, retry hint and the request’s trace id', async () => {
    const a = await open('alice', 0);
    const [conversationId, messageId, userId] = ['no-such', 'no-such', 'no-such'];
    const at = { conversationId, messageId };
    /** A request of each command that can't be granted. */
    const requests: Record<string, Frame> = {
      sendMessage: { conversationId, clientMsgId: 'x', content: { text: 'x' } },
      editMessage: { ...at, content: { text: 'x' } },
      deleteMessage: { ...at, scope: 'DELETE_SCOPE_FOR_EVERYONE' },
      forwardMessage: { fromConversationId: conversationId, messageId, toConversationId: 'no', clientMsgId: 'x' },
      setReaction: { ...at, kind: 'x', present: true },
      setPin: { ...at, pinned: true },
      createConversation: { kind: 'CONVERSATION_KIND_GROUP', clientRef: 'x', memberIds: [userId] },
      updateConversation: { conversationId, title: 'x' },
      archiveConversation: { conversationId, archived: true },
      addMembers: { conversationId, userIds: [userId] },
      removeMembers: { conversationId, userIds: [userId] },
      setMemberRole: { conversationId, userId, role: 'ROLE_MEMBER' },
      leaveConversation: { conversationId },
      muteConversation: { conversationId, mutedUntilMs: 1 },
      markDelivered: { conversationId, seq: 1 },
      markRead: { conversationId, seq: 1 },
      setTyping: { conversationId, typing: true },
      watchPresence: { userIds: Array.from({ length: 201 }, () => userId) },
      listConversations: { limit: 201 },
      getConversation: { conversationId },
      listMembers: { conversationId },
      getHistory: { conversationId },
      getThread: { conversationId, rootMessageId: messageId },
      listPins: { conversationId },
      sync: { conversations: [] },
      getUsers: { userIds: [''] },
      updateProfile: { displayName: 'x'.repeat(257) },
      renewToken: { accessToken: 'none' },
      createUpload: { name: 'x', mediaType: 'no media type', sizeBytes: 1 },
      getUpload: { mediaId: 'x' },
      completeUpload: { mediaId: 'x' },
      abortUpload: { mediaId: 'x' },
      getMedia: { conversationId, mediaId: 'x' },
      searchMessages: { query: 'x', cursor: 'of no search' },
    };
    const reasons = new Map<string, Reason>();
    for (const [i, [verb, request]] of Object.entries(requests).entries()) {
      const trace = (0xabc0000 + i).toString(16).padStart(32, '1');
      const { error } = await a.ask({ traceparent: `00-${trace}-00f067aa0ba902b7-01`, [verb]: request });
      reasons.set(verb, expectWhole(error, trace));
    }
    // Every command of the contract was asked; those that are not served say so.
    expect([...reasons.keys()].sort()).toEqual(commandsOfContract().sort());
    const refused = async (text: string): Promise<Reason> => {
      const before = a.frames.length;
      a.send(text);
      await until('an answer', () => a.frames.slice(before).find((f: Frame) => f.error), Boolean);
      return expectWhole(a.frames.slice(before).find((f: Frame) => f.error).error);
    };
    expect(await refused('{"id":"u1","fly":{}}')).toBe('UNIMPLEMENTED');
    expect(await refused('not json')).toBe('MALFORMED_FRAME');
    expect(await refused('{"id":"u2"}')).toMatch(/MALFORMED_FRAME|INVALID_ARGUMENT|UNIMPLEMENTED/);
  });

  test('12: nothing silent: who is refused at the door, of a socket or of the gateway, is told why in the same way', async () => {
    const url = platform.socketUrls[0] as string;
    const good = user('carol').accessToken;
    for (const [options, token, path, expected] of [
      [{}, undefined, '/', 'UNAUTHENTICATED'],
      [{}, 'none', '/', 'UNAUTHENTICATED'],
      [{}, good.slice(0, -4), '/', 'UNAUTHENTICATED'],
      [{}, good, `/?access_token=${good}`, 'TOKEN_IN_URL'],
    ] as const) {
      const client = new RawClient(`${url}${path}`, token, options);
      const { error } = await client.waitFor((f) => f.error);
      expect(expectWhole(error)).toBe(expected);
      expect((await client.waitClosed()).reason).toBe(expected);
    }
    // Before the handshake only HTTP can tell.
    const ws = new WebSocket(url, ['chat'], { headers: { authorization: `Bearer ${good}` } });
    const body = await new Promise<string>((resolve, reject) => {
      ws.on('error', reject);
      ws.on('unexpected-response', (_request, response) => {
        let text = '';
        response.on('data', (chunk) => {
          text += chunk;
        });
        response.on('end', () => resolve(text));
      });
    });
    expect(expectWholeProblem(JSON.parse(body))).toBe('UNSUPPORTED_SUBPROTOCOL');
    const rest = async (method: string, path: string, headers: Record<string, string> = {}, sent?: string) => {
      const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
      const response = await fetch(`${platform.gatewayUrl}${path}`, {
        method,
        headers: { traceparent, ...headers },
        ...(sent !== undefined && { body: sent }),
      });
      const problem = (await response.json()) as Frame;
      expect(problem.trace_id).toBe('4bf92f3577b34da6a3ce929d0e0e4736');
      return expectWholeProblem(problem);
    };
    const json = { 'content-type': 'application/json' };
    expect(await rest('GET', '/api/v1/messages')).toBe('NOT_FOUND');
    expect(await rest('GET', '/api/v1/auth/sessions')).toBe('UNAUTHENTICATED');
    expect(await rest('PUT', '/api/v1/auth/sessions')).toBe('METHOD_NOT_ALLOWED');
    expect(await rest('POST', '/api/v1/auth/sdk/token', json, '{')).toBe('PAYLOAD_NOT_JSON');
    expect(await rest('POST', '/api/v1/auth/sdk/token', json, '{}')).toBe('INVALID_ARGUMENT');
    expect(await rest('POST', '/api/v1/auth/token/refresh', json, '{"refresh_token":"x"}')).toBe('UNAUTHENTICATED');
  });

  /** The same on HTTP, where names are in snake case. */
  const expectWholeProblem = (problem: Frame): Reason =>
    expectWhole({
      reason: problem.reason,
      message: problem.detail ?? problem.message,
      retryable: problem.retryable,
      retryAfterMs: problem.retry_after_ms,
      traceId: problem.trace_id,
    });
});
