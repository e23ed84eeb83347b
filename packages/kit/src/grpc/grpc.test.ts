import { createServer } from 'node:net';
import { SessionServiceService } from '@caas/proto/caas/auth/v1/session_service';
import { TokenServiceService } from '@caas/proto/caas/auth/v1/token_service';
import type { Claims } from '@caas/proto/caas/common/v1/claims';
import { HealthService } from '@caas/proto/grpc/health/v1/health';
import { ServerReflectionService } from '@caas/proto/grpc/reflection/v1/reflection';
import { Client, Metadata, type ServiceError } from '@grpc/grpc-js';
import { afterEach, describe, expect, test } from '@jest/globals';
import { CaasError, fail } from '../errors.ts';
import { createLogger } from '../log.ts';
import { admitCaller } from './admission.ts';
import {
  type CallContext,
  createGrpcClient,
  createGrpcServer,
  type GrpcServer,
  type Handlers,
  type ServiceAuth,
  service,
  sharedTokenAuth,
} from './index.ts';

const auth = sharedTokenAuth({ token: 'shared', operatorToken: 'operator-only' });
const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
const claims: Claims = {
  tenantId: 't',
  appId: 'a',
  userId: 'u',
  sessionId: 's',
  scopes: ['chat'],
  expiresAtMs: 0,
};

const never = async (): Promise<never> => fail('UNIMPLEMENTED', 'not in this test');
const tokens = (handlers: Partial<Handlers<typeof TokenServiceService>> = {}) =>
  service(TokenServiceService, {
    issueUserToken: never,
    refreshToken: never,
    verifyTokens: async ({ accessTokens }) => ({
      verdicts: accessTokens.map(() => ({ verdict: { $case: 'refused', value: 7 } as const })),
    }),
    getKeys: async () => ({ jwksJson: '{"keys":[]}' }),
    rotateKey: async () => ({ keyId: 'k2' }),
    ...handlers,
  });
const sessions = (handlers: Partial<Handlers<typeof SessionServiceService>> = {}) =>
  service(SessionServiceService, {
    listSessions: async () => ({ sessions: [] }),
    endSession: never,
    endAllSessions: never,
    checkSessions: never,
    async *watchRevocations() {},
    ...handlers,
  });

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const lines: Record<string, unknown>[] = [];
const logger = createLogger({
  service: 'test',
  level: 'info',
  destination: { write: (line: string) => void lines.push(JSON.parse(line)) },
});

const serve = async (...services: ReturnType<typeof tokens>[]): Promise<GrpcServer> => {
  lines.length = 0;
  const server = await createGrpcServer({ name: 'auth', address: '127.0.0.1:0', services, auth, logger });
  closing.push(() => server.stop(100));
  return server;
};
const connect = <S extends typeof TokenServiceService | typeof SessionServiceService>(
  definition: S,
  address: string,
  callerName = 'gateway',
  as: ServiceAuth = auth,
) => {
  const client = createGrpcClient(definition, { address, auth: as, callerName, logger });
  closing.push(() => client.close());
  return client;
};
const refusal = async (call: Promise<unknown>): Promise<CaasError> => {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(CaasError);
  return error as CaasError;
};
/** Polls until `done` holds; fails the test after five seconds. */
const until = async (done: () => boolean): Promise<void> => {
  const deadline = Date.now() + 5_000;
  while (!done()) {
    if (Date.now() > deadline) throw new Error('it did not happen within 5 s');
    await new Promise((resolve) => setImmediate(resolve));
  }
};

describe('callers', () => {
  test('a service named in the rule gets its answer', async () => {
    const { address } = await serve(tokens());
    const answer = await connect(TokenServiceService, address, 'socket').verifyTokens({ accessTokens: ['x'] });
    expect(answer.verdicts).toHaveLength(1);
  });

  test('a service the rule does not name is refused, any service may call a method for "*"', async () => {
    const { address } = await serve(tokens());
    const search = connect(TokenServiceService, address, 'search');
    const error = await refusal(search.verifyTokens({ accessTokens: ['x'] }));
    expect(error.reason).toBe('PERMISSION_DENIED');
    expect(error.details).toMatchObject({ subject: 'caller', caller: 'search' });
    expect((await search.getKeys({})).jwksJson).toBe('{"keys":[]}');
  });

  test('nobody gets in without the token, with a wrong one, or by naming itself twice', async () => {
    const { address } = await serve(tokens());
    const wrong = connect(TokenServiceService, address, 'gateway', sharedTokenAuth({ token: 'guessed' }));
    expect((await refusal(wrong.getKeys({}))).reason).toBe('UNAUTHENTICATED');
    const silent = connect(TokenServiceService, address, 'gateway', { ...auth, sign: () => undefined });
    expect((await refusal(silent.getKeys({}))).reason).toBe('UNAUTHENTICATED');
    const twice = connect(TokenServiceService, address, 'gateway', {
      ...auth,
      sign(metadata, name) {
        auth.sign(metadata, 'search');
        metadata.add('caas-service', name);
      },
    });
    expect((await refusal(twice.getKeys({}))).reason).toBe('UNAUTHENTICATED');
  });

  test('only the operator token makes an operator, the services’ token does not', async () => {
    const { address } = await serve(tokens());
    expect((await connect(TokenServiceService, address, 'operator').rotateKey({})).keyId).toBe('k2');
    const forged = sharedTokenAuth({ token: 'shared', operatorToken: 'shared2' });
    expect((await refusal(connect(TokenServiceService, address, 'operator', forged).rotateKey({}))).reason).toBe(
      'UNAUTHENTICATED',
    );
    expect((await refusal(connect(TokenServiceService, address, 'gateway').rotateKey({}))).reason).toBe(
      'PERMISSION_DENIED',
    );
  });

  test('a method for the operator stays the operator’s even where its rule lets any service call', () => {
    const rule = { scope: 'operator', callers: ['*'], deadlineMs: 0, idempotent: false };
    const policy = { name: 'x.v1.X/Y', rule, checkLimits: () => undefined, carriesClaims: false };
    const as = (name: string): Metadata => {
      const metadata = new Metadata();
      auth.sign(metadata, name);
      return metadata;
    };
    expect(admitCaller(policy, auth, as('operator'), undefined)).toBe('operator');
    expect(() => admitCaller(policy, auth, as('gateway'), undefined)).toThrow('may not call');
  });

  test('the name in a client certificate is used where the transport checked one', async () => {
    const byName: ServiceAuth = { ...auth, identify: (_metadata, peerName) => peerName ?? 'socket' };
    const server = await createGrpcServer({
      name: 'auth',
      address: '127.0.0.1:0',
      services: [tokens()],
      auth: byName,
      logger,
    });
    closing.push(() => server.stop(100));
    await connect(TokenServiceService, server.address, 'anyone').verifyTokens({ accessTokens: ['x'] });
  });

  test('without TLS a server does not listen beyond loopback', async () => {
    const open = createGrpcServer({ name: 'auth', address: '0.0.0.0:0', services: [], auth, logger });
    await expect(open).rejects.toThrow(/loopback only/);
  });
});

describe('requests', () => {
  test('a request outside a limit is refused with field, limit and unit', async () => {
    const { address } = await serve(tokens());
    const client = connect(TokenServiceService, address);
    const none = await refusal(client.verifyTokens({ accessTokens: [] }));
    expect(none.reason).toBe('INVALID_ARGUMENT');
    expect(none.details).toEqual({ field: 'access_tokens', bound: 'min', limit: '1', unit: 'items' });
    const long = await refusal(client.verifyTokens({ accessTokens: ['ok', 'x'.repeat(4097)] }));
    expect(long.details).toEqual({ field: 'access_tokens[1]', bound: 'max', limit: '4096', unit: 'bytes' });
  });

  test('claims must be there and hold the scope of the method', async () => {
    const { address } = await serve(sessions());
    const client = connect(SessionServiceService, address);
    expect((await client.listSessions({ claims })).sessions).toEqual([]);
    expect((await refusal(client.listSessions({ claims: undefined }))).reason).toBe('UNAUTHENTICATED');
    const other = await refusal(client.listSessions({ claims: { ...claims, scopes: ['search'] } }));
    expect(other.reason).toBe('PERMISSION_DENIED');
    expect(other.details['scope']).toBe('chat');
  });

  test('bytes that are no request are refused as malformed, with the trailer', async () => {
    const { address } = await serve(tokens());
    const raw = new Client(address, auth.channelCredentials);
    closing.push(() => raw.close());
    const metadata = new Metadata();
    auth.sign(metadata, 'gateway');
    const error = await new Promise<ServiceError | null>((resolve) => {
      const method = TokenServiceService.verifyTokens;
      const send = (bytes: Buffer): Buffer => bytes;
      raw.makeUnaryRequest(method.path, send, send, Buffer.from([0x0a, 0xff]), metadata, resolve);
    });
    expect(error?.code).toBe(3);
    expect(error?.metadata.get('caas-error-bin')).toHaveLength(1);
  });

  test('a request larger than the server reads is FRAME_TOO_LARGE', async () => {
    const services = [tokens()];
    const server = await createGrpcServer({
      name: 'a',
      address: '127.0.0.1:0',
      services,
      auth,
      logger,
      maxRequestBytes: 100,
    });
    closing.push(() => server.stop(100));
    const error = await refusal(
      connect(TokenServiceService, server.address).verifyTokens({ accessTokens: ['x'.repeat(200)] }),
    );
    expect(error.reason).toBe('FRAME_TOO_LARGE');
  });
});

describe('errors', () => {
  test('a refusal arrives with its reason, details, retry hint and the trace id of the call', async () => {
    const seen: CallContext[] = [];
    const { address } = await serve(
      tokens({
        refreshToken: async (_request, context) => {
          seen.push(context);
          return fail('REFRESH_TOKEN_REUSED', 'spent', { details: { family: 'f1' }, retryAfterMs: 7 });
        },
      }),
    );
    const error = await refusal(
      connect(TokenServiceService, address).refreshToken({ refreshToken: 'r' }, { traceparent }),
    );
    expect(error).toMatchObject({
      reason: 'REFRESH_TOKEN_REUSED',
      message: 'spent',
      details: { family: 'f1' },
      retryAfterMs: 7,
    });
    expect(seen[0]).toMatchObject({ traceparent, traceId: 'a'.repeat(32), caller: 'gateway' });
    expect(lines).toMatchObject([{ reason: 'REFRESH_TOKEN_REUSED', trace_id: 'a'.repeat(32), caller: 'gateway' }]);
  });

  test('an unknown fault tells the caller nothing and the log once', async () => {
    const { address } = await serve(
      tokens({
        refreshToken: async () => {
          throw new Error('disk on fire');
        },
      }),
    );
    const error = await refusal(connect(TokenServiceService, address).refreshToken({ refreshToken: 'r' }));
    expect(error.reason).toBe('INTERNAL');
    expect(error.message).not.toMatch(/disk/);
    const logged = lines.filter((line) => line['level'] === 'error');
    expect(logged).toHaveLength(1);
    expect(JSON.stringify(logged[0])).toMatch(/disk on fire/);
  });

  test('nobody at the address is UNAVAILABLE, a method that is not served UNIMPLEMENTED', async () => {
    const { address } = await serve(sessions());
    expect((await refusal(connect(TokenServiceService, address).rotateKey({}))).reason).toBe('UNIMPLEMENTED');
    expect((await refusal(connect(TokenServiceService, '127.0.0.1:1').rotateKey({}))).reason).toBe('UNAVAILABLE');
  });

  test('a taken port is said plainly', async () => {
    const holder = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => holder.once('listening', resolve));
    closing.push(() => new Promise((resolve) => holder.close(resolve)));
    const { port } = holder.address() as { port: number };
    const taken = createGrpcServer({ name: 'auth', address: `127.0.0.1:${port}`, services: [], auth, logger });
    await expect(taken).rejects.toThrow(`auth cannot listen on 127.0.0.1:${port}: the port is taken`);
  });
});

describe('deadlines, cancellation and retries', () => {
  test('a call that takes too long ends with DEADLINE_EXCEEDED and the handler is told', async () => {
    let stopped = false;
    const { address } = await serve(
      tokens({
        rotateKey: (_request, { signal, deadlineMs }) =>
          new Promise(() => {
            expect(deadlineMs).toBeLessThanOrEqual(60);
            signal.addEventListener('abort', () => {
              stopped = true;
            });
          }),
      }),
    );
    const error = await refusal(connect(TokenServiceService, address, 'operator').rotateKey({}, { deadlineMs: 60 }));
    expect(error.reason).toBe('DEADLINE_EXCEEDED');
    await until(() => stopped);
  });

  test('aborting the signal ends the call with the signal’s reason and tells the handler', async () => {
    let signal: AbortSignal | undefined;
    const { address } = await serve(
      tokens({
        rotateKey: (_request, context) => {
          signal = context.signal;
          return new Promise(() => undefined);
        },
      }),
    );
    const controller = new AbortController();
    const call = connect(TokenServiceService, address, 'operator').rotateKey({}, { signal: controller.signal });
    await until(() => signal !== undefined);
    controller.abort(new Error('changed my mind'));
    await expect(call).rejects.toThrow('changed my mind');
    await until(() => signal?.aborted === true);
  });

  test('an idempotent method is tried again after a retryable refusal, others and final refusals are not', async () => {
    let verify = 0;
    let refresh = 0;
    let keys = 0;
    const flaky = () => fail('UNAVAILABLE', 'busy', { retryAfterMs: 1 });
    const { address } = await serve(
      tokens({
        verifyTokens: async () => (++verify < 3 ? flaky() : { verdicts: [] }),
        refreshToken: async () => (++refresh > 0 ? flaky() : never()),
        getKeys: async () => (++keys > 0 ? fail('NOT_FOUND', 'none') : never()),
      }),
    );
    const client = connect(TokenServiceService, address);
    expect(await client.verifyTokens({ accessTokens: ['x'] })).toEqual({ verdicts: [] });
    expect((await refusal(client.refreshToken({ refreshToken: 'r' }))).reason).toBe('UNAVAILABLE');
    expect((await refusal(client.getKeys({}))).reason).toBe('NOT_FOUND');
    expect({ verify, refresh, keys }).toEqual({ verify: 3, refresh: 1, keys: 1 });
  });
});

describe('streams', () => {
  test('a stream brings what the handler yields, and its refusal after that', async () => {
    const { address } = await serve(
      sessions({
        async *watchRevocations() {
          yield { revoked: [{ tenantId: 't', userId: 'u', sessionId: '1' }], blind: false };
          yield { revoked: [], blind: false };
          fail('OVERLOADED', 'too many watchers');
        },
      }),
    );
    const got: number[] = [];
    const read = async (): Promise<void> => {
      for await (const batch of connect(SessionServiceService, address).watchRevocations({}))
        got.push(batch.revoked.length);
    };
    expect((await refusal(read())).reason).toBe('OVERLOADED');
    expect(got).toEqual([1, 0]);
  });

  test('a reader that stops, or aborts, ends the stream on the server', async () => {
    const signals: AbortSignal[] = [];
    const { address } = await serve(
      sessions({
        async *watchRevocations(_request, { signal }) {
          signals.push(signal);
          yield { revoked: [], blind: false };
          await new Promise(() => undefined);
        },
      }),
    );
    const client = connect(SessionServiceService, address);
    for await (const _ of client.watchRevocations({})) break;
    await until(() => signals[0]?.aborted === true);

    const controller = new AbortController();
    const read = async (): Promise<void> => {
      for await (const _ of client.watchRevocations({}, { signal: controller.signal }))
        controller.abort(new Error('enough'));
    };
    await expect(read()).rejects.toThrow('enough');
    await until(() => signals[1]?.aborted === true);
  });

  test('a slow reader slows the handler down instead of filling memory', async () => {
    let made = 0;
    const revoked = [{ tenantId: 't'.repeat(30_000), userId: 'u', sessionId: 's' }];
    const { address } = await serve(
      sessions({
        async *watchRevocations() {
          for (; made < 2_000; made++) yield { revoked, blind: false };
        },
      }),
    );
    const reading = connect(SessionServiceService, address).watchRevocations({})[Symbol.asyncIterator]();
    await reading.next();
    let before = -1;
    // Ends when a hundred turns bring nothing more: the handler waits for the reader.
    for (let still = 0; still < 100; still = made === before ? still + 1 : 0) {
      before = made;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(made).toBeLessThan(500);
    await reading.return?.();
  });

  test('a stream of both directions answers each request as it comes and ends when either side does', async () => {
    const { address } = await serve(tokens());
    const client = createGrpcClient(ServerReflectionService, { address, auth, callerName: 'gateway', logger });
    closing.push(() => client.close());
    const answered: string[] = [];
    async function* questions() {
      for (const value of ['caas.auth.v1.TokenService', 'nobody.v1.Nothing']) {
        yield { host: '', messageRequest: { $case: 'fileContainingSymbol', value } as const };
        // The next question is asked only after the answer: the directions do not wait for each other's end.
        const before = answered.length;
        await until(() => answered.length > before || answered.length === 2);
      }
    }
    for await (const { messageResponse } of client.serverReflectionInfo(questions())) {
      answered.push(messageResponse?.$case ?? '');
    }
    expect(answered).toEqual(['fileDescriptorResponse', 'errorResponse']);

    const asking = async (): Promise<void> => {
      const failing = (async function* () {
        yield { host: '', messageRequest: { $case: 'listServices', value: '' } as const };
        throw new Error('no more questions');
      })();
      for await (const _ of client.serverReflectionInfo(failing));
    };
    await expect(asking()).rejects.toMatchObject({ cause: { message: 'no more questions' } });
  });

  test('a caller that may not open a stream is refused before the handler runs', async () => {
    let ran = false;
    const { address } = await serve(
      sessions({
        async *watchRevocations() {
          ran = true;
          yield { revoked: [], blind: false };
        },
      }),
    );
    const stranger = connect(SessionServiceService, address, 'search').watchRevocations({})[Symbol.asyncIterator]();
    expect((await refusal(stranger.next())).reason).toBe('PERMISSION_DENIED');
    expect(ran).toBe(false);
  });
});

describe('health and stopping', () => {
  /** A client that proves nothing of itself. */
  const health = (address: string) => {
    const client = createGrpcClient(HealthService, {
      address,
      auth: { ...auth, sign: () => undefined },
      callerName: '',
      logger,
    });
    closing.push(() => client.close());
    return client;
  };

  test('anyone may ask for health; an unknown service is NOT_FOUND', async () => {
    const { address } = await serve(tokens());
    expect(await health(address).check({ service: '' })).toEqual({ status: 1 });
    expect(await health(address).check({ service: 'caas.auth.v1.TokenService' })).toEqual({ status: 1 });
    expect((await refusal(health(address).check({ service: 'nobody.v1.Nothing' }))).reason).toBe('NOT_FOUND');
  });

  test('at the signal watchers hear NOT_SERVING, streams end with DRAINING and open calls finish', async () => {
    let finish: (answer: { keyId: string }) => void = () => undefined;
    let begun = false;
    const server = await serve(
      tokens({
        rotateKey: () =>
          new Promise((resolve) => {
            begun = true;
            finish = resolve;
          }),
      }),
      sessions({
        async *watchRevocations() {
          yield { revoked: [], blind: false };
          await new Promise(() => undefined);
        },
      }),
    );
    const controller = new AbortController();
    const running = server.run(controller.signal);
    const watched: number[] = [];
    const watching = refusal(
      (async () => {
        for await (const { status } of health(server.address).watch({ service: '' })) watched.push(status);
      })(),
    );
    const stream = connect(SessionServiceService, server.address).watchRevocations({})[Symbol.asyncIterator]();
    await stream.next();
    const call = connect(TokenServiceService, server.address, 'operator').rotateKey({});
    await until(() => begun && watched.length === 1);

    controller.abort();
    expect((await refusal(stream.next())).reason).toBe('DRAINING');
    finish({ keyId: 'late' });
    expect((await call).keyId).toBe('late');
    await running;
    expect((await watching).reason).toBe('DRAINING');
    expect(watched).toEqual([1, 2]);
  });

  test('calls that do not finish are cut off after the grace', async () => {
    let begun = false;
    const server = await serve(
      tokens({
        rotateKey: () => {
          begun = true;
          return new Promise(() => undefined);
        },
      }),
    );
    const call = connect(TokenServiceService, server.address, 'operator').rotateKey({});
    const ended = refusal(call);
    await until(() => begun);
    await server.stop(20);
    expect((await ended).reason).toBe('UNAVAILABLE');
  });
});
