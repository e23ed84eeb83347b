import type { EventLog } from '@caas/event-log';
import { until } from '@caas/kit/testing/until';
import { descriptors } from '@caas/proto/descriptor';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { WebSocket } from 'ws';
import { Faults } from './support/faults.ts';
import { signIn, type TestPlatform, type TestUser, testPlatform } from './support/platform.ts';
import { ProtoClient } from './support/proto-client.ts';
import { type Frame, RawClient } from './support/raw-client.ts';
import { expectClosedFor, expectRefusal } from './support/refusal.ts';
import { sideAuth } from './support/side-auth.ts';

const wide = { framesPerMinute: 1_000_000, sendsPerSecond: 100_000, sendsBurst: 100_000 };

const statsOf = (platform: TestPlatform, name: string): { connections: number } => {
  const service = platform.services.get(name) as unknown as { current: { stats(): { connections: number } } };
  return service.current.stats();
};

const groupOf = async (owner: RawClient, clientRef: string, members: readonly TestUser[]): Promise<string> => {
  const memberIds = members.map((m) => m.userId);
  const reply = await owner.ask({ createConversation: { kind: 'CONVERSATION_KIND_GROUP', clientRef, memberIds } });
  return reply.conversation.conversation.conversationId;
};

const say = (client: RawClient, conversationId: string, clientMsgId: string, text = clientMsgId): Promise<Frame> =>
  client.ask({ sendMessage: { conversationId, clientMsgId, content: { text } } });

describe('whatever is sent', () => {
  let platform: TestPlatform;
  let user: TestUser;
  let client: RawClient;
  let conversationId: string;
  beforeAll(async () => {
    platform = await testPlatform({ limits: wide });
    user = await signIn(platform, 'alice');
    client = await RawClient.open(platform.socketUrls[0] as string, user.accessToken);
    conversationId = await groupOf(client, 'random', []);
    await say(client, conversationId, 'first');
  });
  afterAll(async () => {
    await client.close();
    await platform.stop();
  });

  test.each([
    ['nothing', '', false],
    ['a byte', 'x', true],
    ['the limit exactly', 'x'.repeat(16_384), true],
    ['the limit in three-byte characters', `${'€'.repeat(5_461)}x`, true],
    ['a byte more', 'x'.repeat(16_385), false],
    ['a byte more in four-byte characters', `${'😀'.repeat(4_096)}x`, false],
    ['NUL', 'a\u0000b', false],
    ['a lone surrogate', 'a\ud83d', false],
    ['a pair of them', '\ud83d\ude00', true],
    ['what JavaScript takes for a line end', 'a\u2028b\u2029c</script>\u001f', true],
  ])('a text of %s', async (name, text, fits) => {
    const json = await say(client, conversationId, name.replaceAll(' ', '-'), text);
    if (fits) {
      const seen = await client.waitFor((f) => f.event?.message?.messageId === json.accepted.messageId);
      expect(seen.event.message.content.text).toBe(text);
    } else expectRefusal(json.error, 'INVALID_ARGUMENT');
  });

  const commands = descriptors().getMessage('caas.socket.v1.ClientFrame')?.oneofs[0]?.fields ?? [];
  const leaf = (): fc.Arbitrary<unknown> =>
    fc.oneof(
      fc.constant(conversationId),
      fc.constant(user.userId),
      fc.constantFrom(
        0,
        1,
        -1,
        200,
        2 ** 53,
        -(2 ** 53),
        1e308,
        0.5,
        '',
        '1',
        '\u0000',
        '\ud800',
        '__proto__',
        'é'.repeat(40),
      ),
      fc.string({ unit: 'binary', maxLength: 80 }),
      fc.jsonValue({ maxDepth: 2 }),
      fc.array(fc.constantFrom(user.userId, '', 'x', 7), { maxLength: 3 }),
      fc.record({ text: fc.constantFrom('', 'x', 5, null), metadata: fc.constantFrom({}, { a: 1 }, { a: 'b' }, []) }),
    );
  const plausible = (): fc.Arbitrary<object> =>
    fc.constantFrom(...commands).chain((command) => {
      const fields = command.message?.fields ?? [];
      const names = fc.uniqueArray(fc.constantFrom(...fields.flatMap((f) => [f.jsonName, f.name]), 'nobody'), {
        maxLength: 5,
      });
      const body = names.chain((chosen) => fc.record(Object.fromEntries(chosen.map((name) => [name, leaf()]))));
      return fc.record({
        [command.jsonName]: fc.oneof({ weight: 9, arbitrary: body }, { weight: 1, arbitrary: leaf() }),
      });
    });
  const frames = (): fc.Arbitrary<string> =>
    fc.oneof(
      { weight: 8, arbitrary: plausible().map((command) => JSON.stringify({ id: 'r', ...command })) },
      { weight: 2, arbitrary: fc.json() },
      { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
    );

  test('each frame is answered exactly once, or the connection ends with a code of the table', async () => {
    let asked = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(frames(), { minLength: 1, maxLength: 20 }), async (texts) => {
        if (client.ws.readyState !== WebSocket.OPEN)
          client = await RawClient.open(platform.socketUrls[0] as string, user.accessToken);
        client.frames.length = 0;
        for (const text of texts) client.send(text);
        const answers = () => client.frames.filter((f) => f.reply || f.error);
        await until('answers', () => answers().length >= texts.length || client.closed !== undefined, Boolean, 12_000);
        if (client.closed) {
          expect(client.closed).toEqual({ code: 4400, reason: 'MALFORMED_FRAME' });
          return;
        }
        // One more, known: whatever else came before it would have been one too many.
        asked++;
        client.send(JSON.stringify({ id: `last-${asked}`, listConversations: {} }));
        const last = await client.waitFor((f) => f.id === `last-${asked}`).catch(() => undefined);
        if (last === undefined) {
          // It was ending already: the word of its end had been counted as an answer.
          expect(client.closed).toEqual({ code: 4400, reason: 'MALFORMED_FRAME' });
          return;
        }
        expect(answers()).toHaveLength(texts.length + 1);
        for (const { error } of client.frames) {
          if (!error) continue;
          expect(error.traceId).toMatch(/^[0-9a-f]{32}$/);
          expect(error.reason).not.toBe('ERROR_REASON_INTERNAL');
        }
      }),
      { numRuns: 60, endOnFailure: true },
    );
  }, 60_000);

  test('random bytes on the binary subprotocol are answered or end it too', async () => {
    const open = () => ProtoClient.open(platform.socketUrls[0] as string, user.accessToken);
    let proto = await open();
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 60 }), { minLength: 1, maxLength: 5 }), async (messages) => {
        if (proto.ws.readyState !== WebSocket.OPEN) proto = await open();
        proto.frames.length = 0;
        for (const message of messages) proto.ws.send(message);
        const answers = () => proto.frames.filter((f) => f.reply || f.error).length;
        await until('answers', () => proto.closed ?? answers() >= messages.length, Boolean);
        // One answer too many is the word of its end.
        if (answers() > messages.length) await until('its end', () => proto.closed, Boolean);
        if (proto.closed) expect(proto.closed.code).toBe(4400);
        else expect(answers()).toBe(messages.length);
      }),
      { numRuns: 60, endOnFailure: true },
    );
    await proto.close();
  }, 30_000);
});

describe('the two subprotocols', () => {
  let platform: TestPlatform;
  let json: RawClient;
  let proto: ProtoClient;
  let user: TestUser;
  beforeAll(async () => {
    platform = await testPlatform({ limits: wide });
    user = await signIn(platform, 'alice');
    const other = await signIn(platform, 'bob');
    json = await RawClient.open(platform.socketUrls[0] as string, user.accessToken);
    proto = await ProtoClient.open(platform.socketUrls[1] as string, user.accessToken);
    const conversationId = await groupOf(json, 'both', [other]);
    await say(json, conversationId, 'one', 'first “words”');
    await json.waitFor((f) => f.event?.head?.lastSeq === 1);
    ids = { conversationId, other: other.userId };
  });
  let ids: { conversationId: string; other: string };
  afterAll(async () => {
    await Promise.all([json.close(), proto.close()]);
    await platform.stop();
  });

  /** What differs from request to request. */
  const plain = (answer: Frame): Frame =>
    JSON.parse(JSON.stringify(answer, (key, value) => (key === 'traceId' || key === 'serverTimeMs' ? 'any' : value)));

  test.each<[string, (i: typeof ids) => Frame]>([
    ['listConversations', () => ({ listConversations: {} })],
    ['getConversation', ({ conversationId }) => ({ getConversation: { conversationId } })],
    ['listMembers', ({ conversationId }) => ({ listMembers: { conversationId } })],
    ['getHistory', ({ conversationId }) => ({ getHistory: { conversationId, limit: 5 } })],
    ['sync', ({ conversationId }) => ({ sync: { conversations: [{ conversationId }] } })],
    ['getUsers', ({ other }) => ({ getUsers: { userIds: [other, 'nobody'] } })],
    ['watchPresence', () => ({ watchPresence: { userIds: ['nobody'] } })],
    ['listPins', ({ conversationId }) => ({ listPins: { conversationId } })],
    [
      'sendMessage again',
      ({ conversationId }) => ({
        sendMessage: { conversationId, clientMsgId: 'one', retry: true, content: { text: 'first “words”' } },
      }),
    ],
    [
      'another content',
      ({ conversationId }) => ({
        sendMessage: { conversationId, clientMsgId: 'one', retry: true, content: { text: 'else' } },
      }),
    ],
    ['no such conversation', () => ({ getHistory: { conversationId: 'nowhere' } })],
    ['a limit', ({ conversationId }) => ({ getHistory: { conversationId, limit: 201 } })],
    ['searchMessages', () => ({ searchMessages: { query: 'x' } })],
    ['renewToken', () => ({ renewToken: { accessToken: 'nonsense' } })],
    [
      'NUL',
      ({ conversationId }) => ({ setReaction: { conversationId, messageId: 'x', kind: 'a\u0000', present: true } }),
    ],
    ['markRead', ({ conversationId }) => ({ markRead: { conversationId, seq: 1 } })],
  ])('%s: the same answer', async (name, command) => {
    const [one, other] = [plain(await json.ask(command(ids))), plain(await proto.ask(command(ids)))];
    // A shape says in other words what a limit says; reasons, hints and details are the same.
    if (one.error && name === 'NUL')
      expect({ ...one.error, message: '', details: {} }).toEqual({ ...other.error, message: '', details: {} });
    else expect(one).toEqual(other);
  });

  test('events are the same, message, change and head alike', async () => {
    const { conversationId } = ids;
    const { messageId } = (await say(json, conversationId, 'two', 'tabs\tand "quotes" \u2028 😀')).accepted;
    await proto.waitFor((f) => f.event?.head?.lastSeq === 2);
    await proto.ask({ setReaction: { conversationId, messageId, kind: '👍', present: true } });
    const changed = (f: Frame) => f.event?.messageChanged?.reactions?.length === 1;
    await Promise.all([json.waitFor(changed), proto.waitFor(changed)]);
    const heads = (list: Frame[]) => list.filter((f) => f.event?.head?.lastSeq === 2).slice(0, 1);
    const messages = (list: Frame[]) => list.filter((f) => f.event?.message?.messageId === messageId || changed(f));
    expect(messages(proto.frames)).toEqual(messages(json.frames));
    expect(heads(proto.frames)).toEqual(heads(json.frames));
  });

  test('an unknown command in the binary one: UNIMPLEMENTED, and nothing at all too', async () => {
    for (const bytes of [Buffer.from([0x0a, 1, 0x37, 0xfa, 0x3f, 0]), Buffer.alloc(0)]) {
      proto.frames.length = 0;
      proto.ws.send(bytes);
      expectRefusal((await proto.waitFor((f) => f.error)).error, 'UNIMPLEMENTED', { command: 'unknown' });
    }
  });
});

describe('the life of a connection', () => {
  let platform: TestPlatform;
  let node: string;
  beforeAll(async () => {
    const bounds = { pingIntervalMs: 1_000, pongTimeoutMs: 1_000, slowConsumerMs: 2_000 };
    platform = await testPlatform({ bounds, limits: wide });
    node = platform.socketUrls[0] as string;
  });
  afterAll(() => platform.stop());

  test('who answers pings stays, who does not is closed: PING_TIMEOUT', async () => {
    const [alice, bob] = await Promise.all([signIn(platform, 'alice'), signIn(platform, 'bob')]);
    const lively = await RawClient.open(node, alice.accessToken);
    let pings = 0;
    lively.ws.on('ping', () => pings++);
    const dead = await RawClient.open(node, bob.accessToken, { autoPong: false });
    await expectClosedFor(dead, 'PING_TIMEOUT');
    await until(
      'pings',
      () => pings,
      (n) => n >= 2,
    );
    expect((await lively.ask({ listConversations: {} })).conversations).toBeDefined();
    await lively.close();
  });

  test('an expired token closes with TOKEN_EXPIRED; a renewed one does not', async () => {
    const short = await sideAuth(platform.dataDir, { config: { accessTokenMs: 2_000 } });
    try {
      const [first, second] = await Promise.all([
        short.token(platform.app as never, 'short'),
        short.token(platform.app as never, 'long'),
      ]);
      const lapsing = await RawClient.open(node, first.accessToken);
      const renewing = await RawClient.open(node, second.accessToken);
      const fresh = await signIn(platform, 'long');
      expect((await renewing.ask({ renewToken: { accessToken: fresh.accessToken } })).done).toBeDefined();
      await expectClosedFor(lapsing, 'TOKEN_EXPIRED');
      expect((await renewing.ask({ listConversations: {} })).conversations).toBeDefined();
      // It is now of the fresh token's session, and ends with that.
      await fetch(`${platform.gatewayUrl}/api/v1/auth/logout`, {
        method: 'POST',
        headers: { authorization: `Bearer ${fresh.accessToken}` },
      });
      await expectClosedFor(renewing, 'SESSION_REVOKED');
    } finally {
      await short.stop();
    }
  });

  test('a session that ends while its connection enters ends the connection', async () => {
    const users = await Promise.all(Array.from({ length: 20 }, (_, i) => signIn(platform, `racer-${i}`)));
    const clients = users.map((user) => new RawClient(node, user.accessToken));
    await Promise.all(
      users.map((user) =>
        fetch(`${platform.gatewayUrl}/api/v1/auth/logout`, {
          method: 'POST',
          headers: { authorization: `Bearer ${user.accessToken}` },
        }),
      ),
    );
    for (const client of clients) expect(await client.waitClosed()).toEqual({ code: 4404, reason: 'SESSION_REVOKED' });
  });
});

test('a node is ready without the store, and says so; not after the log refused, until it takes something', async () => {
  const faults = new Faults();
  const platform = await testPlatform({ between: faults.between });
  try {
    const node = (platform.socketUrls[0] as string).replace('ws:', 'http:');
    const answers = async (path: string): Promise<number> => (await fetch(new URL(path, node))).status;
    const says = (body: object): Promise<unknown> =>
      until(
        `ready says ${JSON.stringify(body)}`,
        async () => (await fetch(new URL('/health/ready', node))).text(),
        (got) => got === JSON.stringify(body),
        8_000,
      );
    await says({ status: 'ok' });
    const alice = await signIn(platform, 'alice');
    const client = await RawClient.open(platform.socketUrls[0] as string, alice.accessToken);
    const conversationId = await groupOf(client, 'ready', []);
    const storeAgain = faults.away('store.conversations.getMany');
    await says({ status: 'ok', degraded: ['messageStore'] });
    expect(await answers('/health/ready')).toBe(200);
    expect(await answers('/health/live')).toBe(200);
    storeAgain();
    await says({ status: 'ok' });
    const logAgain = faults.away('log.append');
    expectRefusal((await say(client, conversationId, 'refused')).error, 'UNAVAILABLE');
    expect(await answers('/health/ready')).toBe(503);
    logAgain();
    expect((await say(client, conversationId, 'taken')).accepted).toBeDefined();
    expect(await answers('/health/ready')).toBe(200);
    await client.close();
  } finally {
    await platform.stop();
  }
}, 30_000);

test('a node whose tail hears nothing of the log is ready, and says that it is degraded', async () => {
  let stalled = true;
  const deaf = (log: EventLog): EventLog =>
    new Proxy(log, {
      get(target, name: keyof EventLog) {
        if (name === 'tail')
          return (...args: Parameters<EventLog['tail']>) => ({ ...target.tail(...args), stalled: () => stalled });
        const value = target[name];
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  const platform = await testPlatform({ between: ({ log, ...others }) => ({ log: deaf(log), ...others }) });
  try {
    const health = async (): Promise<{ status: number; body: unknown }> => {
      const answer = await fetch(`${platform.socketUrls[0]?.replace('ws:', 'http:')}/health/ready`);
      return { status: answer.status, body: await answer.json() };
    };
    const says = (body: object) =>
      until('ready', health, (got) => JSON.stringify(got) === JSON.stringify({ status: 200, body }));
    await says({ status: 'ok', degraded: ['eventLog'] });
    stalled = false;
    await says({ status: 'ok' });
  } finally {
    await platform.stop();
  }
}, 30_000);

describe('a reader that stops reading', () => {
  let platform: TestPlatform;
  let node: string;
  beforeAll(async () => {
    // Longer than it takes a busy machine to send what the reader misses, and to index it.
    platform = await testPlatform({ bounds: { slowConsumerMs: 15_000 }, limits: wide });
    node = platform.socketUrls[0] as string;
  });
  afterAll(() => platform.stop());
  const senders = 100;
  const perSender = 20;
  const textBytes = 8_192;

  test('is bounded, disturbs nobody, and is told `limited` when it reads again, or SLOW_CONSUMER', async () => {
    const names = Array.from({ length: senders + 3 }, (_, i) => `flood-${i}`);
    const users = await Promise.all(names.map((name) => signIn(platform, name)));
    const [pausing, stopping, fast] = users as [TestUser, TestUser, TestUser];
    const [paused, stopped, reader] = (await Promise.all(
      [pausing, stopping, fast].map((user) => RawClient.open(node, user.accessToken)),
    )) as [RawClient, RawClient, RawClient];
    // A channel would have its admins only send; here the senders share groups of five with the readers.
    const conversations: string[] = [];
    const sockets: WebSocket[] = [];
    const welcomed: Promise<unknown>[] = [];
    for (let g = 0; g < senders / 5; g++) {
      const five = users.slice(3 + g * 5, 8 + g * 5);
      conversations.push(await groupOf(reader, `flood-${g}`, [pausing, stopping, ...five]));
      for (const user of five) {
        const ws = new WebSocket(node, ['caas.v1.json'], {
          headers: { authorization: `Bearer ${user.accessToken}` },
        });
        sockets.push(ws);
        welcomed.push(new Promise((resolve) => ws.once('message', resolve)));
      }
    }
    await Promise.all(welcomed);
    const tcp = (client: RawClient) => (client.ws as unknown as { _socket: { bytesRead: number } })._socket;
    paused.ws.pause();
    stopped.ws.pause();
    const before = { memory: process.memoryUsage().rss, bytes: tcp(paused).bytesRead };
    const text = 'x'.repeat(textBytes);
    for (let m = 0; m < perSender; m++) {
      for (const [i, ws] of sockets.entries()) {
        const conversationId = conversations[Math.floor(i / 5)] as string;
        ws.send(
          JSON.stringify({ id: `${m}`, sendMessage: { conversationId, clientMsgId: `${m}`, content: { text } } }),
        );
      }
      const wanted = (m + 1) * senders;
      await until(
        'the fast reader keeps up',
        () => reader.events('message').length,
        (n) => n >= wanted,
        20_000,
      );
    }
    // Sixteen megabytes went past; what was kept for one who does not read is a fraction of it.
    expect(reader.events('limited')).toHaveLength(0);
    expect(process.memoryUsage().rss - before.memory).toBeLessThan(400 * 1024 * 1024);
    paused.ws.resume();
    await paused.waitFor((f) => f.event?.limited, 10_000);
    const kernelBytes = 8 * 1024 * 1024;
    expect(tcp(paused).bytesRead - before.bytes).toBeLessThan(1024 * 1024 + kernelBytes);
    expect(tcp(paused).bytesRead - before.bytes).toBeLessThan(senders * perSender * textBytes * 0.7);
    // Told so, it syncs and has everything.
    const sync = { conversations: [{ conversationId: conversations[0] }] };
    const { deltas } = (await paused.ask({ sync })).sync;
    expect(deltas[0].messages).toHaveLength(5 * perSender);
    // The one that never reads again is let go.
    const open = senders + 2;
    await until(
      'the slow one is gone',
      () => statsOf(platform, 'socket-1').connections,
      (n) => n === open,
      25_000,
    );
    expect((await reader.ask({ listConversations: { limit: 1 } })).conversations).toBeDefined();
    for (const ws of [...sockets, paused.ws, stopped.ws, reader.ws]) ws.terminate();
  }, 90_000);
  test('large answers wait for a client that does not read them', async () => {
    const user = await signIn(platform, 'greedy');
    const client = await RawClient.open(node, user.accessToken);
    const conversationId = await groupOf(client, 'large', []);
    for (let i = 0; i < 200; i += 50)
      await Promise.all(
        Array.from({ length: 50 }, (_, n) => say(client, conversationId, `m${i + n}`, 'x'.repeat(16_000))),
      );
    await client.waitFor((f) => f.event?.head?.lastSeq === 200);
    const answers = 64;
    client.ws.pause();
    const before = process.memoryUsage();
    for (let i = 0; i < answers; i++)
      client.send(JSON.stringify({ id: `h${i}`, getHistory: { conversationId, limit: 200 } }));
    let worst = 0;
    const end = Date.now() + 2_000;
    await until(
      'two seconds',
      () => {
        const { arrayBuffers, heapUsed } = process.memoryUsage();
        worst = Math.max(worst, arrayBuffers + heapUsed - before.arrayBuffers - before.heapUsed);
        return Date.now();
      },
      (now) => now > end,
    );
    // These answers are 205 MB.
    expect(worst).toBeLessThan(150 * 1024 * 1024);
    client.ws.resume();
    for (let i = 0; i < answers; i++) await client.waitFor((f) => f.id === `h${i}`, 20_000);
    client.ws.terminate();
  }, 60_000);
});

test('a draining node tells its clients to move, then closes with DRAINING; what was accepted is kept', async () => {
  const platform = await testPlatform({ drainMs: 1_000, limits: wide });
  const { dataDir } = platform;
  const alice = await signIn(platform, 'alice');
  const client = await RawClient.open(platform.socketUrls[0] as string, alice.accessToken);
  const conversationId = await groupOf(client, 'drain', []);
  let sent = 0;
  const accepted: string[] = [];
  const timer = setInterval(() => {
    if (client.ws.readyState !== WebSocket.OPEN) return;
    const clientMsgId = `m${++sent}`;
    client.send(
      JSON.stringify({ id: clientMsgId, sendMessage: { conversationId, clientMsgId, content: { text: 'x' } } }),
    );
  }, 5);
  await client.waitFor((f) => f.reply?.accepted);
  const stopping = platform.stop({ remove: false });
  const moving = await client.waitFor((f) => f.event?.moving);
  expect(moving.event.moving.closesInMs).toBe(1_000);
  await expect(RawClient.open(platform.socketUrls[0] as string, alice.accessToken)).rejects.toThrow();
  await expectClosedFor(client, 'DRAINING');
  clearInterval(timer);
  for (const f of client.frames) if (f.reply?.accepted) accepted.push(f.reply.accepted.messageId);
  await stopping;
  expect(accepted.length).toBeGreaterThan(50);

  const again = await testPlatform({ dataDir, limits: wide });
  try {
    const user = await signIn(again, 'alice');
    const reader = await RawClient.open(again.socketUrls[1] as string, user.accessToken);
    const list = async (): Promise<string[]> => {
      const { deltas } = (await reader.ask({ sync: { conversations: [{ conversationId }] } })).sync;
      return deltas[0].messages.map((m: Frame) => m.messageId);
    };
    const ids = await until('all committed', list, (found) => found.length >= accepted.length);
    expect(ids.filter((id) => accepted.includes(id))).toEqual(accepted);
    await reader.close();
  } finally {
    await again.stop();
  }
}, 30_000);
