import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import type { Reason } from '@caas/kit';
import { until } from '@caas/kit/testing/until';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { signIn, type TestPlatform, type TestUser, testPlatform } from './support/platform.ts';
import { type Frame, RawClient } from './support/raw-client.ts';
import { clientFrame, RawSocket } from './support/raw-socket.ts';
import { expectClosedFor, expectRefusal } from './support/refusal.ts';
import { sideAuth } from './support/side-auth.ts';

const text = 1;
const binary = 2;
const continuation = 0;

describe('bad input at the edge', () => {
  let platform: TestPlatform;
  let [url, otherUrl]: string[] = [];
  let witnesses: { a: RawClient; b: RawClient; conversationId: string };
  let count = 0;
  const opened: RawClient[] = [];

  const node = (): string => url as string;
  const newUser = (): Promise<TestUser> => signIn(platform, `user-${++count}`);
  const enter = async (user: TestUser, at = node()): Promise<RawClient> => {
    const client = await RawClient.open(at, user.accessToken);
    opened.push(client);
    return client;
  };
  const attempt = (token: string | undefined, options?: ConstructorParameters<typeof RawClient>[2], at = node()) => {
    const client = new RawClient(at, token, options);
    opened.push(client);
    return client;
  };
  const group = async (owner: RawClient, ...members: { userId: string }[]): Promise<string> => {
    const reply = await owner.ask({
      createConversation: {
        kind: 'CONVERSATION_KIND_GROUP',
        clientRef: `g${++count}`,
        memberIds: members.map((m) => m.userId),
      },
    });
    return reply.conversation.conversation.conversationId;
  };

  beforeAll(async () => {
    platform = await testPlatform();
    [url, otherUrl] = [...platform.socketUrls];
    // Of a tenant with limits of its own, so that they may be asked as often as there are tests.
    const side = await sideAuth(platform.dataDir);
    const app = await side.tenant('witnesses', { sendsPerSecond: 1_000, sendsBurst: 1_000, framesPerMinute: 10_000 });
    const [alice, bob] = await Promise.all([side.token(app, 'alice'), side.token(app, 'bob')]);
    await side.stop();
    const a = await RawClient.open(node(), alice.accessToken);
    const b = await RawClient.open(otherUrl as string, bob.accessToken);
    witnesses = { a, b, conversationId: await group(a, bob) };
  });
  afterEach(async () => {
    // Nothing else was disturbed: two others talk on as if nothing had been.
    const { a, b, conversationId } = witnesses;
    const sent = await a.ask(
      { sendMessage: { conversationId, clientMsgId: `w${++count}`, content: { text: 'still here' } } },
      1_000,
    );
    await b.waitFor((f) => f.event?.message?.messageId === sent.accepted.messageId, 1_000);
    await Promise.all(opened.splice(0).map((client) => client.ws.terminate()));
  });
  afterAll(async () => {
    await Promise.all([witnesses.a.close(), witnesses.b.close()]);
    await platform.stop();
  });

  describe('tokens', () => {
    const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const forged = (accessToken: string, header: object, signed: (input: string) => string): string => {
      const input = `${part(header)}.${accessToken.split('.')[1]}`;
      return `${input}.${signed(input)}`;
    };
    const otherKey = generateKeyPairSync('ed25519').privateKey;

    test.each<[string, (token: string) => string | undefined]>([
      ['none at all', () => undefined],
      ['nonsense', () => 'nonsense'],
      ['a dot and nothing', () => '..'],
      ['one changed character of the signature', (t) => t.slice(0, -6) + (t.at(-6) === 'A' ? 'B' : 'A') + t.slice(-5)],
      ['changed claims', (t) => t.replace(/\.[^.]+\./, `.${part({ iss: 'caas', aud: 'caas', sub: 'admin' })}.`)],
      ['algorithm none', (t) => forged(t, { alg: 'none', typ: 'JWT' }, () => '')],
      [
        'the public key as HMAC secret',
        (t) =>
          forged(
            t,
            { ...JSON.parse(Buffer.from(t.split('.')[0] as string, 'base64url').toString()), alg: 'HS256' },
            (i) => createHmac('sha256', 'public').update(i).digest('base64url'),
          ),
      ],
      [
        'another installation’s key',
        (t) =>
          forged(t, JSON.parse(Buffer.from(t.split('.')[0] as string, 'base64url').toString()), (i) =>
            sign(null, Buffer.from(i), otherKey).toString('base64url'),
          ),
      ],
      ['more than a token’s bytes', () => 'a'.repeat(5_000)],
    ])('%s: UNAUTHENTICATED', async (_, made) => {
      const { accessToken } = await newUser();
      await expectClosedFor(attempt(made(accessToken)), 'UNAUTHENTICATED');
      const bearer = made(accessToken);
      if (bearer?.match(/^[\w.-]+$/))
        await expectClosedFor(
          attempt(undefined, { subprotocols: ['caas.v1.json', `bearer.${bearer}`] }),
          'UNAUTHENTICATED',
        );
    });

    test('a browser brings its token as the second subprotocol and is not told it back', async () => {
      const { accessToken } = await newUser();
      const client = attempt(undefined, { subprotocols: ['caas.v1.json', `bearer.${accessToken}`] });
      await client.waitFor((f) => f.event?.welcome);
      expect(client.ws.protocol).toBe('caas.v1.json');
    });

    test('an expired one: TOKEN_EXPIRED', async () => {
      const anHourAgo = await sideAuth(platform.dataDir, { clock: { now: () => Date.now() - 3_600_000 } });
      try {
        const { accessToken } = await anHourAgo.token(platform.app as never, 'late');
        await expectClosedFor(attempt(accessToken), 'TOKEN_EXPIRED');
      } finally {
        await anHourAgo.stop();
      }
    });

    test('after logout open sockets close within 5 s and the token opens none, other sessions stay', async () => {
      const user = await newUser();
      const again = await signIn(platform, user.externalId);
      const [here, there, other] = await Promise.all([enter(user), enter(user, otherUrl), enter(again)]);
      const response = await fetch(`${platform.gatewayUrl}/api/v1/auth/logout`, {
        method: 'POST',
        headers: { authorization: `Bearer ${user.accessToken}` },
      });
      expect(response.status).toBe(204);
      await Promise.all([here, there].map((client) => expectClosedFor(client, 'SESSION_REVOKED')));
      await expectClosedFor(attempt(user.accessToken), 'SESSION_REVOKED');
      expect((await other.ask({ listConversations: {} })).conversations).toBeDefined();
      // Nor does the ended session's token renew another connection.
      expectRefusal((await other.ask({ renewToken: { accessToken: user.accessToken } })).error, 'SESSION_REVOKED');
    });

    test('in the URL: TOKEN_IN_URL, also with a good one in the header', async () => {
      const { accessToken } = await newUser();
      for (const query of [
        `?access_token=${accessToken}`,
        '?refresh_token=x',
        '?id_token=x',
        `//?TOKEN=x`,
        `/a?b=c&jwt=${accessToken}`,
      ]) {
        await expectClosedFor(attempt(accessToken, {}, `${node()}/${query}`), 'TOKEN_IN_URL');
      }
    });

    test('a request target that is no URL gets in like any other', async () => {
      const { accessToken } = await newUser();
      const raw = await RawSocket.open(node());
      raw.upgrade(['sec-websocket-protocol: caas.v1.json', `authorization: Bearer ${accessToken}`], '//');
      await until(
        'welcome',
        () => raw.text,
        (t) => t.includes('welcome'),
      );
      raw.destroy();
    });

    test('a bad one beside good ones costs the good ones nothing', async () => {
      const users = await Promise.all(Array.from({ length: 5 }, newUser));
      const bad = [attempt('b'.repeat(10_000)), attempt('x'), attempt('c'.repeat(4_097))];
      const good = await Promise.all(users.map((user) => enter(user)));
      expect(good).toHaveLength(5);
      await Promise.all(bad.map((client) => expectClosedFor(client, 'UNAUTHENTICATED')));
    });

    test('another tenant’s user sees nothing of this one', async () => {
      const { a, conversationId } = witnesses;
      const side = await sideAuth(platform.dataDir);
      try {
        const app = await side.tenant(`other-${++count}`);
        const stranger = await side.token(app, 'alice');
        const client = await RawClient.open(node(), stranger.accessToken);
        opened.push(client);
        const { userId } = (a.frames[0] as Frame).event.welcome;
        for (const command of [
          { sendMessage: { conversationId, clientMsgId: 'x', content: { text: 'x' } } },
          { getConversation: { conversationId } },
          { getHistory: { conversationId } },
          { listMembers: { conversationId } },
          { setTyping: { conversationId, typing: true } },
          { markRead: { conversationId, seq: 1 } },
        ])
          expectRefusal((await client.ask(command)).error, 'CONVERSATION_NOT_FOUND');
        const { deltas } = (await client.ask({ sync: { conversations: [{ conversationId }] } })).sync;
        expect(deltas).toEqual([{ conversationId, refused: 'ERROR_REASON_CONVERSATION_NOT_FOUND' }]);
        const direct = { kind: 'CONVERSATION_KIND_DIRECT', memberIds: [userId] };
        expectRefusal((await client.ask({ createConversation: direct })).error, 'USER_NOT_FOUND', { user_id: userId });
        expect((await client.ask({ getUsers: { userIds: [userId] } })).users).toEqual({});
        const { presences } = (await client.ask({ watchPresence: { userIds: [userId] } })).presence;
        expect(presences).toEqual([{ userId }]);
        // Nor can a connection change hands.
        const { accessToken } = await newUser();
        expectRefusal((await client.ask({ renewToken: { accessToken } })).error, 'PERMISSION_DENIED');
      } finally {
        await side.stop();
      }
    });
  });

  describe('upgrades', () => {
    test.each([
      ['none', []],
      ['an unknown one', ['sec-websocket-protocol: graphql-ws']],
      ['a token alone', ['sec-websocket-protocol: bearer.abc']],
    ])('subprotocol: %s is an HTTP problem, and the socket is let go', async (_, lines) => {
      const raw = await RawSocket.open(node());
      raw.upgrade(lines);
      await until(
        'an answer',
        () => raw.text,
        (t) => t.includes('}'),
      );
      const [head, body] = raw.text.split('\r\n\r\n') as [string, string];
      expect(head).toMatch(/^HTTP\/1\.1 400 /);
      expect(head.toLowerCase()).toContain('content-type: application/problem+json');
      expect(JSON.parse(body)).toMatchObject({
        type: 'urn:caas:error:UNSUPPORTED_SUBPROTOCOL',
        title: 'Unsupported subprotocol',
        status: 400,
        detail: 'offer caas.v1.json or caas.v1.proto',
        reason: 'UNSUPPORTED_SUBPROTOCOL',
        retryable: false,
        retry_after_ms: 0,
        trace_id: expect.stringMatching(/^[0-9a-f]{32}$/),
        details: {},
      });
      // A peer that keeps its side open does not keep the node's.
      let broken = false;
      raw.socket.on('error', () => {
        broken = true;
      });
      await until(
        'the node let go',
        () => {
          raw.socket.write('x');
          return broken || raw.socket.destroyed;
        },
        Boolean,
      );
      raw.destroy();
    });

    test('the trace id is the caller’s where it brings one', async () => {
      const traceId = '0af7651916cd43dd8448eb211c80319c';
      const client = attempt('nonsense', {
        headers: { authorization: 'Bearer nonsense', traceparent: `00-${traceId}-b7ad6b7169203331-01` },
      });
      expect((await client.waitFor((f) => f.error)).error.traceId).toBe(traceId);
    });

    test('a path that is none is a problem too', async () => {
      const ask = (base: string) => fetch(`${base}/api/v1/messages`, { method: 'POST', body: '{}' });
      const [ofNode, ofGateway] = await Promise.all([ask(node().replace('ws:', 'http:')), ask(platform.gatewayUrl)]);
      const problem = (await ofNode.json()) as Record<string, unknown>;
      expect(problem).toMatchObject({ type: 'urn:caas:error:NOT_FOUND', status: 404, trace_id: expect.any(String) });
      // Both edges refuse in one shape.
      expect(Object.keys(problem)).toEqual(Object.keys((await ofGateway.json()) as object));
      for (const header of ['content-type', 'traceparent'])
        expect([header, ofNode.headers.has(header)]).toEqual([header, true]);
    });
  });

  describe('frames', () => {
    const rawEntry = async (subprotocol = 'caas.v1.json'): Promise<RawSocket> => {
      const { accessToken } = await newUser();
      const raw = await RawSocket.open(node());
      raw.upgrade([`sec-websocket-protocol: ${subprotocol}`, `authorization: Bearer ${accessToken}`]);
      return raw;
    };
    const expectRawClose = async (raw: RawSocket, reason: string, code: number): Promise<void> => {
      await until(
        'closed',
        () => raw.text,
        (t) => t.endsWith(reason),
      );
      expect(raw.text).toContain(`"reason":"ERROR_REASON_${reason}"`);
      const close = raw.received.subarray(raw.received.length - 4 - reason.length);
      expect([close[0], close.readUInt16BE(2), close.subarray(4).toString()]).toEqual([0x88, code, reason]);
      raw.destroy();
    };
    const list = Buffer.from('{"id":"1","listConversations":{}}');

    test('a command before the welcome is answered after it', async () => {
      const raw = await rawEntry();
      raw.socket.write(clientFrame(text, list));
      await until(
        'the answer',
        () => raw.text,
        (t) => t.includes('"id":"1"'),
      );
      expect(raw.text.indexOf('"welcome"')).toBeLessThan(raw.text.indexOf('"id":"1"'));
      raw.destroy();
    });

    test('64 KiB pass, one byte more: FRAME_TOO_LARGE', async () => {
      const client = await enter(await newUser());
      const frame = (bytes: number): string => '{"id":"big","listConversations":{}}'.padEnd(bytes);
      client.send(frame(65_536));
      expect((await client.waitFor((f) => f.id === 'big')).reply).toBeDefined();
      client.send(frame(65_537));
      await expectClosedFor(client, 'FRAME_TOO_LARGE');
    });

    test('a frame that says it will be too large is not waited for', async () => {
      const raw = await rawEntry();
      raw.socket.write(Buffer.from([0x81, 0xff, 0, 0, 0, 0x40, 0, 0, 0, 0, 1, 2, 3, 4]));
      await expectRawClose(raw, 'FRAME_TOO_LARGE', 1009);
    });

    test('too large in bits that are small: FRAME_TOO_LARGE', async () => {
      const raw = await rawEntry();
      const bit = Buffer.alloc(16_384, 32);
      raw.socket.write(clientFrame(text, bit, { fin: false }));
      for (let i = 0; i < 4; i++) raw.socket.write(clientFrame(continuation, bit, { fin: false }));
      await expectRawClose(raw, 'FRAME_TOO_LARGE', 1009);
    });

    test('a frame in a few bits is one frame, in thousands: PROTOCOL_VIOLATION', async () => {
      const raw = await rawEntry();
      for (let i = 0; i < list.length; i++) {
        const fin = i === list.length - 1;
        raw.socket.write(clientFrame(i === 0 ? text : continuation, list.subarray(i, i + 1), { fin }));
      }
      await until(
        'the answer',
        () => raw.text,
        (t) => t.includes('"id":"1"'),
      );
      raw.socket.write(clientFrame(text, Buffer.from('{'), { fin: false }));
      const empty = clientFrame(continuation, Buffer.alloc(0), { fin: false });
      raw.socket.write(Buffer.concat(Array.from({ length: 5_000 }, () => empty)));
      await expectRawClose(raw, 'PROTOCOL_VIOLATION', 1002);
    });

    test('bytes that come one by one are one frame', async () => {
      const raw = await rawEntry();
      raw.socket.setNoDelay(true);
      for (const byte of clientFrame(text, list)) {
        raw.socket.write(Buffer.of(byte));
        await new Promise((resolve) => setImmediate(resolve));
      }
      await until(
        'the answer',
        () => raw.text,
        (t) => t.includes('"id":"1"'),
      );
      raw.destroy();
    });

    test.each<[string, Buffer]>([
      ['unmasked', Buffer.from([0x81, 2, 0x7b, 0x7d])],
      ['an opcode of nobody', clientFrame(3, Buffer.from('{}'))],
      ['a continuation of nothing', clientFrame(continuation, Buffer.from('{}'))],
      ['a reserved bit', Buffer.from([0xf1, 0x80, 1, 2, 3, 4])],
      ['a ping of 126 bytes', clientFrame(9, Buffer.alloc(126))],
      ['text that is no UTF-8', clientFrame(text, Buffer.from([0x22, 0xff, 0xfe, 0x22]))],
    ])('%s: PROTOCOL_VIOLATION', async (_, bytes) => {
      const raw = await rawEntry();
      await until(
        'welcome',
        () => raw.text,
        (t) => t.includes('welcome'),
      );
      raw.socket.write(bytes);
      await expectRawClose(raw, 'PROTOCOL_VIOLATION', 1002);
    });

    test('a binary message on caas.v1.json: PROTOCOL_VIOLATION', async () => {
      const raw = await rawEntry();
      raw.socket.write(clientFrame(binary, list));
      await expectRawClose(raw, 'PROTOCOL_VIOLATION', 1002);
    });

    test('a text message on caas.v1.proto: PROTOCOL_VIOLATION', async () => {
      const raw = await rawEntry('caas.v1.proto');
      raw.socket.write(clientFrame(text, list));
      await until('closed', () => raw.ended, Boolean);
      expect(raw.text).toContain('PROTOCOL_VIOLATION');
      raw.destroy();
    });

    test('many pings in one write are answered as far as the rate goes, then closed for it with its code', async () => {
      const raw = await rawEntry();
      await until(
        'welcome',
        () => raw.text,
        (t) => t.includes('welcome'),
      );
      const pings = (count: number): Buffer =>
        Buffer.concat(Array.from({ length: count }, () => clientFrame(9, Buffer.alloc(0))));
      const pongs = (): number => raw.text.split('\x8a\0').length - 1;
      raw.socket.write(pings(200));
      await until('all pongs', pongs, (count) => count === 200);
      raw.socket.write(pings(1_000));
      await expectRawClose(raw, 'RATE_LIMITED', 4429);
    });

    test('what comes after a frame that ended the connection has no effect', async () => {
      const { accessToken, userId } = await newUser();
      const raw = await RawSocket.open(node());
      raw.upgrade(['sec-websocket-protocol: caas.v1.json', `authorization: Bearer ${accessToken}`]);
      await until(
        'welcome',
        () => raw.text,
        (t) => t.includes('welcome'),
      );
      const rename = Buffer.from('{"id":"2","updateProfile":{"displayName":"late"}}');
      raw.socket.write(Buffer.concat([clientFrame(binary, list), clientFrame(text, rename)]));
      await expectRawClose(raw, 'PROTOCOL_VIOLATION', 1002);
      const reader = await enter(await newUser());
      const { users } = (await reader.ask({ getUsers: { userIds: [userId] } })).users;
      expect(users[0].displayName).not.toBe('late');
    });

    test.each(['', '{', 'null', '5', '"text"', '[]', '[{"id":"1","listConversations":{}}]', '{"id":"1",}', '\u0000'])(
      'malformed %j: MALFORMED_FRAME',
      async (frame) => {
        const client = await enter(await newUser());
        client.send(frame);
        expectRefusal((await client.waitFor((f) => f.error)).error, 'MALFORMED_FRAME');
        expect((await client.ask({ listConversations: {} })).conversations).toBeDefined();
      },
    );

    test('the fifth malformed one ends the connection', async () => {
      const client = await enter(await newUser());
      for (let i = 0; i < 5; i++) client.send('{');
      await expectClosedFor(client, 'MALFORMED_FRAME');
      expect(client.frames.filter((f) => f.error)).toHaveLength(6); // each answered, then the end told
    });

    test('64 KiB of brackets are just malformed', async () => {
      const client = await enter(await newUser());
      client.send('['.repeat(65_536));
      expectRefusal((await client.waitFor((f) => f.error)).error, 'MALFORMED_FRAME');
      client.send(`{"id":"d","sendMessage":${'{"content":'.repeat(5_000)}1${'}'.repeat(5_000)}}`);
      expectRefusal((await client.waitFor((f) => f.id === 'd')).error, 'INVALID_ARGUMENT');
    });

    const invalid = 'INVALID_ARGUMENT' as const;
    const unserved = 'UNIMPLEMENTED' as const;
    test.each<[string, string, Reason, Record<string, unknown>]>([
      ['an unknown command', '{"id":"1","launchMissiles":{}}', unserved, { command: 'launchMissiles' }],
      ['an upload of nothing', '{"id":"1","createUpload":{"name":"a","sizeBytes":0}}', invalid, {}],
      ['an upload beyond its most', '{"id":"1","createUpload":{"name":"a","sizeBytes":104857601}}', invalid, {}],
      ['an upload without a name', '{"id":"1","createUpload":{"sizeBytes":1}}', invalid, {}],
      ['a hash that is none', '{"id":"1","createUpload":{"name":"a","sizeBytes":1,"sha256":"x"}}', invalid, {}],
      ['media of a conversation alone', '{"id":"1","getMedia":{"conversationId":"a","mediaId":"b"}}', invalid, {}],
      ['media of no id', '{"id":"1","getMedia":{}}', invalid, {}],
      ['a search for nothing', '{"id":"1","searchMessages":{}}', invalid, {}],
      ['a search of 1,025 bytes', `{"id":"1","searchMessages":{"query":"${'q'.repeat(1_025)}"}}`, invalid, {}],
      [
        'a search for 65 words',
        `{"id":"1","searchMessages":{"query":"${Array.from({ length: 65 }, (_, i) => `w${i}`).join(' ')}"}}`,
        invalid,
        { field: 'query' },
      ],
      ['a search for 101 hits', '{"id":"1","searchMessages":{"query":"a","limit":101}}', invalid, {}],
      ['a search from before time', '{"id":"1","searchMessages":{"query":"a","fromMs":-1}}', invalid, {}],
      ['a search of a sender of no name', '{"id":"1","searchMessages":{"query":"a","senderIds":[""]}}', invalid, {}],
      ['a search for NUL', '{"id":"1","searchMessages":{"query":"a\\u0000b"}}', invalid, {}],
      [
        'a cursor that no search gave',
        '{"id":"1","searchMessages":{"query":"a","cursor":"bm9uZQ"}}',
        'CURSOR_INVALID',
        {},
      ],
      ['__proto__ as a command', '{"id":"1","__proto__":{}}', unserved, { command: '__proto__' }],
      ['constructor as a command', '{"id":"1","constructor":{}}', unserved, { command: 'constructor' }],
      ['no command', '{"id":"1"}', invalid, { field: 'command' }],
      ['two commands', '{"id":"1","listConversations":{},"getUsers":{}}', invalid, { field: 'command' }],
      ['a command twice', '{"id":"1","listConversations":{},"list_conversations":{}}', invalid, { field: 'command' }],
      ['an unknown field', '{"id":"1","listConversations":{},"x":1}', invalid, { field: 'x' }],
      ['an unknown field inside', '{"id":"1","listConversations":{"x":1}}', invalid, { field: 'listConversations' }],
      ['__proto__ inside', '{"id":"1","listConversations":{"__proto__":{"limit":1}}}', invalid, {}],
      ['null', '{"id":"1","listConversations":null}', invalid, { field: 'listConversations' }],
      ['a list', '{"id":"1","listConversations":[]}', invalid, { field: 'listConversations' }],
      ['text for a number', '{"id":"1","listConversations":{"limit":"many"}}', invalid, {}],
      ['a fraction', '{"id":"1","listConversations":{"limit":1.5}}', invalid, {}],
      ['a negative limit', '{"id":"1","listConversations":{"limit":-1}}', invalid, {}],
      ['a limit beyond its most', '{"id":"1","listConversations":{"limit":201}}', invalid, {}],
      ['a number beyond all', '{"id":"1","getHistory":{"conversationId":"a","afterSeq":1e999}}', invalid, {}],
      ['2^53', '{"id":"1","getHistory":{"conversationId":"a","afterSeq":9007199254740992}}', invalid, {}],
      ['2^53 as text', '{"id":"1","getHistory":{"conversationId":"a","afterSeq":"9007199254740992"}}', invalid, {}],
      ['a number for text', '{"id":"1","getConversation":{"conversationId":5}}', invalid, {}],
      ['no conversation', '{"id":"1","getConversation":{}}', invalid, {}],
      ['an id of 65 bytes', `{"id":"1","getConversation":{"conversationId":"${'c'.repeat(65)}"}}`, invalid, {}],
      ['NUL', '{"id":"1","getConversation":{"conversationId":"a\\u0000b"}}', invalid, {}],
      ['a lone surrogate', '{"id":"1","updateProfile":{"displayName":"\\ud800"}}', invalid, {}],
      ['an unknown kind', '{"id":"1","createConversation":{"kind":"PARTY"}}', invalid, {}],
      ['a kind’s number of nobody', '{"id":"1","createConversation":{"kind":99}}', invalid, {}],
      ['no kind', '{"id":"1","createConversation":{"clientRef":"a"}}', invalid, { field: 'kind' }],
      ['201 users to watch', `{"id":"1","watchPresence":{"userIds":[${Array(201).fill('"u"')}]}}`, invalid, {}],
      ['an empty user id', '{"id":"1","watchPresence":{"userIds":[""]}}', invalid, {}],
      [
        '21 metadata entries',
        `{"id":"1","updateProfile":{"replaceMetadata":true,"metadata":{${Array.from({ length: 21 }, (_, i) => `"k${i}":""`)}}}}`,
        invalid,
        {},
      ],
      [
        '__proto__ in metadata',
        '{"id":"1","updateProfile":{"replaceMetadata":true,"metadata":{"__proto__":"x"}}}',
        invalid,
        {},
      ],
      ['an object in metadata', '{"id":"1","updateProfile":{"metadata":{"a":{}}}}', invalid, {}],
      ['a sync of nothing', '{"id":"1","sync":{}}', invalid, {}],
      [
        'two anchors',
        '{"id":"1","getHistory":{"conversationId":"CONV","afterSeq":1,"beforeSeq":9}}',
        invalid,
        { field: 'before_seq' },
      ],
    ])('%s is refused by name', async (_, frame, reason, details) => {
      const user = await newUser();
      const client = await enter(user);
      const mine = frame.includes('CONV') ? await group(client) : '';
      client.send(frame.replace('CONV', mine));
      const answer = await client.waitFor((f) => f.id === '1');
      expectRefusal(answer.error, reason, details);
      expect(({} as Record<string, unknown>)['limit']).toBeUndefined();
    });

    test('a frame without a usable id is refused without one', async () => {
      const client = await enter(await newUser());
      for (const id of ['', `"id":"",`, `"id":7,`, `"id":"${'i'.repeat(65)}",`, `"id":null,`]) {
        client.frames.length = 0;
        client.send(`{${id}"listConversations":{}}`);
        const answer = await client.waitFor((f) => f.error);
        expect(answer.id).toBeUndefined();
        expectRefusal(answer.error, 'INVALID_ARGUMENT');
      }
      client.send(`{"id":"${'i'.repeat(64)}","listConversations":{}}`);
      expect((await client.waitFor((f) => f.id?.length === 64)).reply).toBeDefined();
    });

    test('too many: RATE_LIMITED with the wait, after which it goes on', async () => {
      const user = await newUser();
      const client = await enter(user);
      const conversationId = await group(client);
      const send = (i: number): Promise<Frame> =>
        client.ask({ sendMessage: { conversationId, clientMsgId: `m${i}`, content: { text: 'x' } } });
      const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => send(i)));
      expect(answers.filter((a) => a.accepted).length).toBeLessThanOrEqual(32); // 30 at once, 10 a second
      const refused = answers.filter((a) => a.error);
      for (const { error } of refused)
        expectRefusal(error, 'RATE_LIMITED', { limit: 'sendsPerSecond', value: '10', unit: 'sends/s' });
      expect(refused[0].error.retryAfterMs).toBeLessThanOrEqual(110);
      // Another connection of the user shares the rate; another user does not.
      const second = await enter(user);
      const other = await second.ask({ sendMessage: { conversationId, clientMsgId: 'o', content: { text: 'x' } } });
      expectRefusal(other.error, 'RATE_LIMITED');
      const refusedAtMs = Date.now();
      const { at } = await until(
        'let through again',
        async () => ({ answer: await send(99), at: Date.now() }),
        ({ answer }) => answer.accepted,
      );
      // Not before the wait it was told; nor much later: 100 ms make room for one.
      expect(at - refusedAtMs).toBeGreaterThanOrEqual(Number(other.error.retryAfterMs) - 20);
    });

    test('who goes on regardless is closed, also with frames that are refused anyway', async () => {
      const client = await enter(await newUser());
      for (let i = 0; i < 400; i++)
        client.send(i % 2 ? '{"id":"1","nonsense":{}}' : '{"id":"2","listConversations":{}}');
      await expectClosedFor(client, 'RATE_LIMITED');
      const reasons = new Set(client.frames.flatMap((f) => (f.error ? [f.error.reason] : [])));
      expect(reasons).toEqual(new Set(['ERROR_REASON_UNIMPLEMENTED', 'ERROR_REASON_RATE_LIMITED']));
    });

    test('so is who sends pongs that nobody asked for', async () => {
      const client = await enter(await newUser());
      for (let i = 0; i < 1_000; i++) client.ws.pong();
      await expectClosedFor(client, 'RATE_LIMITED');
    });

    test('steady sending at several times the rate is closed too', async () => {
      const client = await enter(await newUser());
      const conversationId = await group(client);
      let i = 0;
      const timer = setInterval(() => {
        for (let n = 0; n < 20 && !client.closed; n++)
          client.send(
            JSON.stringify({
              id: `${++i}`,
              sendMessage: { conversationId, clientMsgId: `${i}`, content: { text: 'x' } },
            }),
          );
      }, 100);
      try {
        await expectClosedFor(client, 'RATE_LIMITED');
      } finally {
        clearInterval(timer);
      }
    });
  });

  test('more than ten connections of a user: TOO_MANY_CONNECTIONS, until one goes', async () => {
    const user = await newUser();
    const ten = await Promise.all(Array.from({ length: 10 }, () => enter(user)));
    await expectClosedFor(attempt(user.accessToken), 'TOO_MANY_CONNECTIONS');
    await (ten[0] as RawClient).close();
    await enter(user);
  });

  test('a storm of connections, good and bad, is let in or refused one by one', async () => {
    const users = await Promise.all(Array.from({ length: 60 }, newUser));
    const good = users.flatMap((user) => [attempt(user.accessToken), attempt(user.accessToken, {}, otherUrl)]);
    const bad = Array.from({ length: 60 }, (_, i) => attempt(`bad-${i}`));
    const gone = users.map((user) => attempt(user.accessToken));
    for (const client of gone) client.ws.terminate(); // gone before they were let in
    await Promise.all(good.map((client) => client.waitFor((f) => f.event?.welcome)));
    await Promise.all(bad.map((client) => expectClosedFor(client, 'UNAUTHENTICATED')));
    for (const client of opened) client.ws.terminate();
    const open = () => ['socket-1', 'socket-2'].map((name) => stats(platform, name).connections);
    await until('only the witnesses stay', open, (counts) => counts.every((n) => n === 1));
  });
});

const stats = (platform: TestPlatform, name: string): { connections: number } => {
  const service = platform.services.get(name) as unknown as { current: { stats(): { connections: number } } };
  return service.current.stats();
};
