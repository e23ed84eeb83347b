import { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Duplex, Writable } from 'node:stream';
import { type CaasError, ruleOf, TokenBucket } from '@caas/kit';
import { Claims } from '@caas/proto/caas/common/v1/claims';
import { Error as WireErrorCodec } from '@caas/proto/caas/common/v1/errors';
import type { PlainContent } from '@caas/proto/caas/events/v1/content';
import { ClientFrame } from '@caas/proto/caas/socket/v1/commands';
import type { Head, Message } from '@caas/proto/caas/socket/v1/resources';
import { type Event, type Reply, ServerFrame } from '@caas/proto/caas/socket/v1/server_frames';
import { descriptors } from '@caas/proto/descriptor';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { RawData, WebSocket } from 'ws';
import * as ws from 'ws';
import { socketConfig } from '../config.ts';
import { Turn } from '../delivery/turn.ts';
import { defaultBounds, defaultLimits, limitsOf } from '../limits.ts';
import { Connection } from './connection.ts';
import { decodeFrame, RefusedFrame } from './decode.ts';
import { EncodedEvent, errorJson, errorProto, replyJson, replyProto } from './encode.ts';
import { binaryFrames, textFrames } from './frames.ts';
import { assertOrigin, chooseSubprotocol, readHandshake } from './handshake.ts';
import { shapeOf } from './json-shape.ts';

const id = (): fc.Arbitrary<string> => fc.stringMatching(/^[A-Za-z0-9_-]{22}$/);
const whole = (min = 1): fc.Arbitrary<number> => fc.integer({ min, max: Number.MAX_SAFE_INTEGER });
const words = (): fc.Arbitrary<string> => fc.string({ unit: 'binary', minLength: 1 });
const trace = (): fc.Arbitrary<string> => fc.stringMatching(/^[0-9a-f]{32}$/);
const maybe = <T>(arbitrary: fc.Arbitrary<T>, otherwise: T): fc.Arbitrary<T> =>
  fc.oneof({ weight: 4, arbitrary: fc.constant(otherwise) }, { weight: 1, arbitrary });

const content = (): fc.Arbitrary<PlainContent> =>
  fc.record({
    text: words(),
    attachments: maybe(
      fc.array(fc.record({ mediaId: id(), name: fc.string(), mediaType: fc.string(), sizeBytes: whole(0) })),
      [],
    ),
    mentions: maybe(fc.array(id()), []),
    metadata: maybe(fc.dictionary(fc.string({ minLength: 1 }), fc.string(), { noNullPrototype: true }), {}),
  });

const message = (): fc.Arbitrary<Message> =>
  fc.record({
    messageId: id(),
    conversationId: words(),
    senderId: words(),
    clientMsgId: fc.stringMatching(/^[\x21-\x7e]{1,64}$/),
    position: whole(),
    seq: maybe(whole(), 0),
    rev: fc.constant(0),
    content: fc.option(content(), { freq: 20, nil: undefined }),
    replyToMessageId: maybe(id(), ''),
    threadRootId: maybe(id(), ''),
    forwardedFrom: maybe(fc.record({ conversationId: id(), messageId: id(), senderId: id() }), undefined),
    acceptedAtMs: whole(),
    editedAtMs: maybe(whole(), 0),
    deletedAtMs: maybe(whole(), 0),
    deletedBy: fc.constant(''),
    reactions: maybe(fc.array(fc.record({ kind: words(), userIds: fc.array(id()) })), []),
    pinnedAtMs: maybe(whole(), 0),
    pinnedBy: fc.constant(''),
    traceId: trace(),
    unreadable: maybe(fc.boolean(), false),
  });

const head = (): fc.Arbitrary<Head> =>
  fc.record({
    conversationId: words(),
    prevHeadRev: whole(0),
    headRev: whole(),
    lastSeq: whole(0),
    lastPosition: whole(0),
    digest: fc.stringMatching(/^([0-9a-f]{16})?$/),
    decidedPosition: maybe(whole(), 0),
  });

describe('JSON written by hand', () => {
  const generated = (frame: ServerFrame): unknown => JSON.parse(JSON.stringify(ServerFrame.toJSON(frame)));

  test.each<[string, fc.Arbitrary<Event['event']>]>([
    ['a message', message().map((value) => ({ $case: 'message', value }))],
    ['a head', head().map((value) => ({ $case: 'head', value }))],
    ['a changed message', message().map((value) => ({ $case: 'messageChanged', value }))],
  ])('of %s says what the generated code says', (_, event) => {
    fc.assert(
      fc.property(event, (value) => {
        const encoded = new EncodedEvent({ event: value });
        const frame: ServerFrame = { id: '', body: { $case: 'event', value: { event: value } } };
        expect(JSON.parse(encoded.json)).toEqual(generated(frame));
        expect(encoded.json).not.toContain('\n');
        expect(ServerFrame.decode(encoded.proto)).toEqual(ServerFrame.decode(ServerFrame.encode(frame).finish()));
      }),
      { numRuns: 300 },
    );
  });

  test('of an answer says what the generated code says, whatever the client’s id is', () => {
    const accepted = fc.record({ messageId: id(), position: whole(0), traceId: trace(), acceptedAtMs: whole() });
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 64 }), accepted, (requestId, value) => {
        const reply: Reply = { result: { $case: 'accepted', value } };
        const frame: ServerFrame = { id: requestId, body: { $case: 'reply', value: reply } };
        expect(JSON.parse(replyJson(requestId, reply))).toEqual(generated(frame));
        expect(ServerFrame.decode(replyProto(requestId, reply)).body).toEqual(frame.body);
      }),
      { numRuns: 300 },
    );
  });

  test('of a refusal is the same in both encodings', () => {
    const error = WireErrorCodec.fromPartial({ reason: 20, message: 'slow down', retryable: true, retryAfterMs: 7 });
    const decoded = ServerFrame.decode(errorProto('5', error));
    expect(JSON.parse(errorJson('5', error))).toEqual(generated(decoded));
  });
});

const { Receiver } = ws as unknown as { Receiver: new (options: { isServer: boolean }) => Writable };

/** What a client's own parser makes of the bytes. */
const parsed = async (bytes: Buffer): Promise<{ data: Buffer; isBinary: boolean }[]> => {
  const receiver = new Receiver({ isServer: false });
  const messages: { data: Buffer; isBinary: boolean }[] = [];
  receiver.on('message', (data: RawData, isBinary: boolean) =>
    messages.push({ data: Buffer.from(data as Buffer), isBinary }),
  );
  await new Promise<void>((resolve, reject) => {
    receiver.on('error', reject);
    receiver.write(bytes, () => resolve());
  });
  return messages;
};

describe('frames', () => {
  const lengths = [0, 1, 125, 126, 127, 65_535, 65_536, 200_000];

  test.each(lengths)('of %i bytes are read back, alone and beside others', async (length) => {
    const [alone] = await parsed(textFrames(['x'.repeat(length)]));
    expect(alone?.isBinary).toBe(false);
    expect(alone?.data.equals(Buffer.alloc(length, 'x'))).toBe(true);
    const bytes = [Buffer.alloc(length, 7), Buffer.alloc(3, 8), Buffer.alloc(length, 9)];
    const read = await parsed(binaryFrames(bytes));
    expect(read.map((m, i) => m.isBinary && m.data.equals(bytes[i] as Buffer))).toEqual([true, true, true]);
  });

  test('carry every text as it is, lone surrogates replaced', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ unit: 'binary' }), { maxLength: 5 }), async (texts) => {
        const read = await parsed(textFrames([...texts, '\ud800']));
        expect(read.map((m) => m.data.toString())).toEqual([...texts, '\ufffd']);
      }),
    );
  });
});

describe('a token bucket', () => {
  test('gives its burst at once, then its rate, and says how long to wait', () => {
    const bucket = new TokenBucket(10, 30);
    const now = 1_000_000;
    for (let i = 0; i < 30; i++) expect(bucket.take(now)).toBe(0);
    expect(bucket.take(now)).toBe(100);
    expect(bucket.take(now + 99)).toBe(1);
    expect(bucket.take(now + 100)).toBe(0);
    expect(bucket.take(now + 100)).toBe(100);
    for (let i = 0; i < 30; i++) expect(bucket.take(now + 60_000)).toBe(0);
    expect(bucket.take(now + 60_000)).toBeGreaterThan(0);
  });

  test('goes on where it was when the clock is put back', () => {
    const bucket = new TokenBucket(10, 30);
    for (let i = 0; i < 30; i++) bucket.take(10_000_000);
    expect(bucket.take(10_000_000 - 3_600_000)).toBe(100);
    expect(bucket.take(10_000_000 - 3_600_000 + 100)).toBe(0);
    expect(bucket.take(10_000_000 - 3_600_000 + 100)).toBe(100);
  });

  test('never gives more than burst and rate together, whatever the times', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 500 }), { maxLength: 200 }), (steps) => {
        const bucket = new TokenBucket(10, 5);
        const given: number[] = [];
        let now = 0;
        for (const step of steps) {
          now += step;
          const wait = bucket.take(now);
          if (wait === 0) given.push(now);
          else expect(wait).toBeLessThanOrEqual(100);
        }
        for (let from = 0; from < given.length; from++)
          for (let to = from; to < given.length; to++)
            expect(to - from + 1).toBeLessThanOrEqual(5 + ((given[to] as number) - (given[from] as number)) / 100 + 1);
      }),
    );
  });
});

const request = (headers: Record<string, string>, url = '/'): IncomingMessage => ({ headers, url }) as IncomingMessage;
const refusal = (act: () => unknown): { reason: string; details: object } => {
  try {
    act();
  } catch (error) {
    const { reason, details } = error instanceof RefusedFrame ? error.refusal : (error as CaasError);
    return { reason, details };
  }
  throw new Error('not refused');
};

describe('a handshake', () => {
  test.each([
    ['caas.v1.json', 'caas.v1.json'],
    ['caas.v1.proto', 'caas.v1.proto'],
    ['caas.v1.proto, caas.v1.json', 'caas.v1.json'],
    [' bearer.abc ,caas.v1.proto', 'caas.v1.proto'],
    ['caas.v1', undefined],
    ['CAAS.V1.JSON', undefined],
    ['', undefined],
  ])('offering %j speaks %j', (offer, spoken) => {
    expect(chooseSubprotocol(request({ 'sec-websocket-protocol': offer }))).toBe(spoken);
  });

  test.each<[string, Record<string, string>, string]>([
    ['a header', { authorization: 'Bearer a.b.c' }, 'a.b.c'],
    ['a header in any case', { authorization: 'bearer a.b.c' }, 'a.b.c'],
    ['the second subprotocol', { 'sec-websocket-protocol': 'caas.v1.json, bearer.a.b.c' }, 'a.b.c'],
    ['a header before it', { authorization: 'Bearer a', 'sec-websocket-protocol': 'caas.v1.json, bearer.b' }, 'a'],
    ['the most bytes', { authorization: `Bearer ${'a'.repeat(4_096)}` }, 'a'.repeat(4_096)],
  ])('brings its token in %s', (_, headers, token) => {
    expect(readHandshake(request(headers), 'caas.v1.json').token).toBe(token);
  });

  test.each<[string, Record<string, string>, string, string]>([
    ['nothing', {}, '/', 'UNAUTHENTICATED'],
    ['another scheme', { authorization: 'Basic YTpi' }, '/', 'UNAUTHENTICATED'],
    ['two tokens', { authorization: 'Bearer a b' }, '/', 'UNAUTHENTICATED'],
    ['an empty one', { authorization: 'Bearer ' }, '/', 'UNAUTHENTICATED'],
    ['an empty subprotocol', { 'sec-websocket-protocol': 'bearer.' }, '/', 'UNAUTHENTICATED'],
    ['too long a one', { authorization: `Bearer ${'a'.repeat(4_097)}` }, '/', 'UNAUTHENTICATED'],
    ['one in the URL', { authorization: 'Bearer a' }, '/?x=1&Access_Token=a', 'TOKEN_IN_URL'],
    ['one in what is no URL', {}, '//?token=a', 'TOKEN_IN_URL'],
    ['one with an escaped name', {}, '/?%74oken=a', 'TOKEN_IN_URL'],
    ['an app secret in the URL', {}, '/?app_secret', 'TOKEN_IN_URL'],
  ])('with %s is refused', (_, headers, url, reason) => {
    expect(refusal(() => readHandshake(request(headers, url), 'caas.v1.json')).reason).toBe(reason);
  });

  test.each<[string | undefined, string[], boolean]>([
    [undefined, ['https://a.example'], true],
    ['https://a.example', ['https://a.example'], true],
    ['https://b.example', [], true],
    ['https://b.example', ['https://a.example'], false],
    ['https://a.example.evil', ['https://a.example'], false],
    ['null', ['https://a.example'], false],
  ])('of origin %j against %j', (origin, allowed, enters) => {
    if (enters) expect(assertOrigin(origin, allowed)).toBeUndefined();
    else expect(refusal(() => assertOrigin(origin, allowed)).reason).toBe('ORIGIN_NOT_ALLOWED');
  });
});

describe('a frame’s shape', () => {
  const type = descriptors().getMessage('caas.socket.v1.ClientFrame');
  const fits = (value: unknown): boolean => shapeOf(type as NonNullable<typeof type>)(value) === undefined;

  test('takes every field of every command by its JSON name and by its proto name, and by no other', () => {
    for (const command of type?.oneofs[0]?.fields ?? []) {
      for (const name of [command.jsonName, command.name]) {
        expect(fits({ [name]: {} })).toBe(true);
        for (const field of command.message?.fields ?? []) {
          const value = field.fieldKind === 'list' ? [] : field.message || field.fieldKind === 'map' ? {} : undefined;
          for (const key of [field.jsonName, field.name]) {
            if (value !== undefined) expect(fits({ [name]: { [key]: value } })).toBe(true);
            expect(fits({ [name]: { [`${key}X`]: value } })).toBe(false);
            expect(fits({ [name]: { [key]: null } })).toBe(false);
          }
        }
      }
    }
  });

  test.each<[unknown, boolean]>([
    [0, true],
    ['0', true],
    [2 ** 53 - 1, true],
    ['9007199254740991', true],
    ['-1', true],
    [2 ** 53, false],
    ['9007199254740992', false],
    [1.5, false],
    ['1.5', false],
    ['0x10', false],
    ['', false],
    [' 1', false],
    [true, false],
    [Number.NaN, false],
  ])('of a 64-bit number: %j', (seq, ok) => {
    expect(fits({ markRead: { conversationId: 'a', seq } })).toBe(ok);
  });

  const json = (text: string): ClientFrame => decodeFrame(Buffer.from(text), 'caas.v1.json');
  test('reads both spellings to the same command', () => {
    const camel = json('{"id":"1","sendMessage":{"conversationId":"c","clientMsgId":"m","content":{"text":"t"}}}');
    const snake = json('{"id":"1","send_message":{"conversation_id":"c","client_msg_id":"m","content":{"text":"t"}}}');
    expect(snake).toEqual(camel);
    expect(decodeFrame(Buffer.from(ClientFrame.encode(camel).finish()), 'caas.v1.proto')).toEqual(camel);
  });

  test('leaves prototypes alone', () => {
    for (const key of ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty']) {
      expect(refusal(() => json(`{"id":"1","${key}":{"polluted":1}}`)).reason).toBe('UNIMPLEMENTED');
      expect(refusal(() => json(`{"id":"1","listConversations":{"${key}":{"polluted":1}}}`)).reason).toBe(
        'INVALID_ARGUMENT',
      );
    }
    expect(refusal(() => json('{"id":"1","updateProfile":{"metadata":{"__proto__":"x"}}}')).reason).toBe(
      'INVALID_ARGUMENT',
    );
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });

  test('in binary: NUL anywhere, an integer past 2^53 and broken bytes are refused', () => {
    const proto = (frame: ClientFrame): (() => unknown) => {
      const bytes = Buffer.from(ClientFrame.encode(frame).finish());
      return () => decodeFrame(bytes, 'caas.v1.proto');
    };
    const frame = (command: object): ClientFrame => ClientFrame.fromJSON({ id: '1', ...command });
    const profile = { replaceMetadata: true, metadata: { 'a\0': 'b' } };
    for (const [command, field] of [
      [{ setReaction: { conversationId: 'c', messageId: 'm', kind: '\0' } }, 'kind'],
      [{ watchPresence: { userIds: ['a', 'b\0'] } }, 'userIds.1'],
      [{ updateProfile: profile }, 'metadata'],
    ] as const)
      expect(refusal(proto(frame(command)))).toEqual({ reason: 'INVALID_ARGUMENT', details: { field } });
    // mark_read { conversation_id: "c", seq: 2^53 }
    const seq = Buffer.from([0x0a, 1, 49, 0xca, 1, 12, 0x0a, 1, 99, 0x10, 128, 128, 128, 128, 128, 128, 128, 16]);
    expect(refusal(() => decodeFrame(seq, 'caas.v1.proto')).reason).toBe('MALFORMED_FRAME');
    expect(refusal(() => decodeFrame(Buffer.from([0x0a, 200]), 'caas.v1.proto')).reason).toBe('MALFORMED_FRAME');
  });
});

test('a tenant’s limits go over the defaults, up to the ceilings', () => {
  const ceilings = { ...defaultLimits, maxTextBytes: 16_384, sendsPerSecond: 1_000 };
  const tenant = { maxTextBytes: 100_000, sendsPerSecond: 50, maxMembers: 0 };
  expect(limitsOf(tenant as never, defaultLimits, ceilings)).toEqual({ ...defaultLimits, sendsPerSecond: 50 });
});

test('no setting raises a text over what the contract lets through', () => {
  expect(socketConfig({ SOCKET_TEXT_LIMIT: '16KiB' }).limits.maxTextBytes).toBe(16_384);
  expect(() => socketConfig({ SOCKET_TEXT_LIMIT: '16385' })).toThrow('SOCKET_TEXT_LIMIT: a size from 1 to 16384 bytes');
});

/** A socket whose peer reads only when told to. */
class StillSocket extends EventEmitter {
  writableLength = 0;
  written: Buffer[] = [];
  #taken: (() => void)[] = [];
  write(data: Buffer, taken?: () => void): boolean {
    this.written.push(data);
    this.writableLength += data.length;
    if (taken) this.#taken.push(taken);
    return false;
  }
  cork(): void {}
  uncork(): void {}
  read(): void {
    this.writableLength = 0;
    for (const taken of this.#taken.splice(0)) taken();
  }
}

class StillWebSocket extends EventEmitter {
  readonly OPEN = 1;
  readyState = 1;
  isPaused = false;
  closedWith: [number, string] | undefined;
  close(code: number, reason: string): void {
    this.readyState = 2;
    this.closedWith = [code, reason];
  }
  terminate(): void {}
}

describe('a connection whose client does not read', () => {
  const open = () => {
    const socket = new StillSocket();
    const ws = new StillWebSocket();
    let nowMs = 1_000;
    const clock = { now: () => nowMs };
    const claims = Claims.fromPartial({ tenantId: 't', userId: 'u', expiresAtMs: 10_000_000 });
    const connection = new Connection(
      ws as unknown as WebSocket,
      socket as unknown as Duplex,
      'caas.v1.json',
      claims,
      defaultLimits,
      { turn: new Turn(), bounds: defaultBounds, clock },
    );
    const welcome = {
      userId: 'u',
      sessionId: 's',
      nodeId: 'n',
      serverTimeMs: 1,
      tokenExpiresAtMs: 1,
      pingIntervalMs: 1,
      maxFrameBytes: 1,
      maxTextBytes: 1,
    };
    return {
      socket,
      ws,
      connection,
      welcome: () => connection.welcome(welcome),
      tick: (byMs: number) => {
        nowMs += byMs;
        connection.tick(nowMs);
        connection.flush();
      },
      texts: () => Buffer.concat(socket.written).toString('latin1'),
    };
  };
  const kilobytes = (n: number): Buffer => textFrames(['x'.repeat(n * 1024 - 10)]);

  test('gets no event before the welcome', () => {
    const { connection, welcome, texts } = open();
    connection.enqueueEvents(textFrames(['early']));
    welcome();
    connection.enqueueEvents(textFrames(['late']));
    connection.flush();
    expect(texts()).not.toContain('early');
    expect(texts().indexOf('welcome')).toBeLessThan(texts().indexOf('late'));
  });

  test('never has more than its bound queued in events, and is told once it reads again', () => {
    const { connection, welcome, socket, tick, texts } = open();
    welcome();
    for (let i = 0; i < 200; i++) {
      connection.enqueueEvents(kilobytes(16));
      if (i % 7 === 0) connection.flush();
      expect(connection.backlogBytes).toBeLessThanOrEqual(defaultBounds.maxQueuedBytes);
    }
    // Nothing after the first loss: a client must not take what comes later for all there was.
    connection.enqueueEvents(textFrames(['after the gap']));
    connection.flush();
    tick(1_000);
    expect(texts()).not.toContain('after the gap');
    expect(texts()).not.toContain('limited');
    socket.read();
    tick(1_000);
    expect(texts()).toContain('"limited":{}');
    connection.enqueueEvents(textFrames(['afresh']));
    connection.flush();
    expect(texts()).toContain('afresh');
  });

  test('is closed as SLOW_CONSUMER when it does not', () => {
    const { connection, welcome, ws, tick, texts } = open();
    welcome();
    for (let i = 0; i < 80; i++) connection.enqueueEvents(kilobytes(16));
    for (let ms = 0; ms < defaultBounds.slowConsumerMs; ms += 1_000) {
      expect(ws.closedWith).toBeUndefined();
      connection.heard();
      tick(1_000);
    }
    expect(ws.closedWith).toEqual([ruleOf('SLOW_CONSUMER').close, 'SLOW_CONSUMER']);
    expect(texts()).toMatch(/"reason":"ERROR_REASON_SLOW_CONSUMER".*"traceId":"[0-9a-f]{32}"/);
  });

  const held = () => {
    const seen = { bytes: 10_000_000, released: 0 };
    return {
      seen,
      hold: {
        settle: (bytes: number) => {
          seen.bytes = bytes;
        },
        release: () => seen.released++,
      },
    };
  };
  const answer: Reply = { result: { $case: 'done', value: { traceId: 'x'.repeat(100_000) } } };

  test('is closed as SLOW_CONSUMER when it does not take what it has asked for', () => {
    const { connection, welcome, ws, tick, seen, hold } = { ...open(), ...held() };
    welcome();
    connection.reply('1', answer, hold);
    connection.flush();
    expect(seen.bytes).toBeLessThan(101_000);
    for (let ms = 0; ms < defaultBounds.slowConsumerMs; ms += 1_000) {
      expect(ws.closedWith).toBeUndefined();
      connection.heard();
      tick(1_000);
    }
    expect(ws.closedWith).toEqual([4408, 'SLOW_CONSUMER']);
    expect(seen.released).toBe(0);
    connection.dropped();
    expect(seen.released).toBe(1);
  });

  test('releases what is set aside for an answer when the client has taken it, and none was closed for it', () => {
    const { connection, welcome, ws, socket, tick, seen, hold } = { ...open(), ...held() };
    welcome();
    connection.reply('1', answer, hold);
    connection.flush();
    tick(defaultBounds.slowConsumerMs - 1_000);
    expect(seen.released).toBe(0);
    socket.read();
    expect(seen.released).toBe(1);
    connection.heard();
    tick(2_000);
    expect(ws.closedWith).toBeUndefined();
    connection.dropped();
    const late = held();
    connection.reply('2', answer, late.hold);
    expect(late.seen.released).toBe(1);
  });

  test('is pinged and closed in time when the clock is put back', () => {
    const before = open();
    before.tick(7_200_000);
    before.connection.heard();
    before.socket.written.length = 0;
    before.tick(-3_600_000);
    before.tick(defaultBounds.pingIntervalMs);
    expect(before.socket.written).toEqual([Buffer.from([0x89, 0])]);
    before.tick(-3_600_000);
    before.tick(defaultBounds.pongTimeoutMs);
    expect(before.ws.closedWith).toEqual([4410, 'PING_TIMEOUT']);
  });

  test('gets nothing after the close', () => {
    const { connection, welcome, ws, texts } = open();
    welcome();
    connection.flush();
    ws.readyState = 2; // the peer closes
    connection.enqueueEvents(textFrames(['too late']));
    connection.flush();
    expect(texts()).not.toContain('too late');
    connection.end('DRAINING', 'x');
    connection.reply('1', { result: { $case: 'done', value: { traceId: '' } } });
    connection.flush();
    expect(texts()).not.toContain('"id":"1"');
  });

  test('is pinged after silence, closed without an answer, and at its token’s end', () => {
    const silent = open();
    silent.tick(defaultBounds.pingIntervalMs - 1);
    expect(silent.socket.written).toEqual([]);
    silent.tick(1);
    expect(silent.socket.written).toEqual([Buffer.from([0x89, 0])]);
    silent.tick(defaultBounds.pongTimeoutMs - 1);
    expect(silent.ws.closedWith).toBeUndefined();
    silent.tick(1);
    expect(silent.ws.closedWith).toEqual([4410, 'PING_TIMEOUT']);
    const lapsed = open();
    lapsed.tick(10_000_000);
    expect(lapsed.ws.closedWith).toEqual([4402, 'TOKEN_EXPIRED']);
  });
});
