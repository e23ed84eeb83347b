import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SessionServiceService } from '@caas/proto/caas/auth/v1/session_service';
import { TokenServiceService } from '@caas/proto/caas/auth/v1/token_service';
import { HealthService } from '@caas/proto/grpc/health/v1/health';
import { ChannelCredentials } from '@grpc/grpc-js';
import { afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { CaasError, fail } from '../errors.ts';
import { createLogger } from '../log.ts';
import { type Authority, newAuthority, newFolder } from '../testing/certificates.ts';
import {
  createGrpcClient,
  createGrpcServer,
  type MutualTlsOptions,
  mutualTls,
  type ServiceAuth,
  service,
} from './index.ts';

const operatorToken = 'operator-only';
const reloadMs = 20;
let authority: Authority;
let stranger: Authority;
const folders: string[] = [];
const closing: (() => unknown)[] = [];
beforeAll(() => {
  authority = newAuthority();
  stranger = newAuthority();
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

const lines: Record<string, unknown>[] = [];
const logger = createLogger({
  service: 'test',
  level: 'info',
  destination: { write: (line: string) => void lines.push(JSON.parse(line)) },
});

/** A folder with ca.pem and the certificate of a service. */
const folderOf = (name: string, issuer = authority, trusted = authority): string => {
  const dir = newFolder();
  folders.push(dir);
  copyFileSync(trusted.caFile, join(dir, 'ca.pem'));
  issuer.issue(dir, name);
  return dir;
};
const tls = (name: string, options: Partial<MutualTlsOptions> = {}): ServiceAuth =>
  mutualTls({ dir: folderOf(name), service: name, reloadMs, onFault: () => undefined, ...options });

const read = (file: string): Buffer => readFileSync(file);
const newEmpty = (): string => {
  const dir = newFolder();
  folders.push(dir);
  return dir;
};

const never = async (): Promise<never> => fail('UNIMPLEMENTED', 'not in this test');
const bindings = () => [
  service(TokenServiceService, {
    issueUserToken: async () => ({ accessToken: '', refreshToken: '', expiresInS: 0, sessionId: '' }) as never,
    refreshToken: never,
    verifyTokens: async () => ({ verdicts: [] }),
    getKeys: async (_request, { caller }) => ({ jwksJson: caller }),
    rotateKey: async () => ({ keyId: 'k2' }),
  }),
  service(SessionServiceService, {
    listSessions: never,
    endSession: never,
    endAllSessions: never,
    checkSessions: never,
    async *watchRevocations(_request, { signal }) {
      for (;;) {
        yield { revoked: [], blind: false };
        await new Promise((resolve) => setTimeout(resolve, 10));
        signal.throwIfAborted();
      }
    },
  }),
];
const serve = async (auth: ServiceAuth) => {
  lines.length = 0;
  const server = await createGrpcServer({ name: 'auth', address: '127.0.0.1:0', services: bindings(), auth, logger });
  closing.push(() => server.stop(100));
  return server;
};
const connect = (address: string, auth: ServiceAuth, callerName = 'gateway') => {
  const client = createGrpcClient(TokenServiceService, { address, auth, callerName, logger, retry: once });
  closing.push(() => client.close());
  return client;
};
const once = { maxAttempts: 1, baseMs: 1, capMs: 1 };
const refusal = async (call: Promise<unknown>): Promise<CaasError> => {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(CaasError);
  return error as CaasError;
};
const until = async (done: () => boolean | Promise<boolean>): Promise<void> => {
  const deadline = Date.now() + 10_000;
  while (!(await done())) {
    if (Date.now() > deadline) throw new Error('it did not happen within 10 s');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};

describe('callers with a certificate', () => {
  test('are who their certificate says, whatever they call themselves, and call what its rule names them for', async () => {
    const { address } = await serve(tls('auth'));
    const socket = connect(address, tls('socket'), 'gateway');
    expect((await socket.getKeys({})).jwksJson).toBe('socket');
    expect((await socket.verifyTokens({ accessTokens: ['x'] })).verdicts).toEqual([]);
    const error = await refusal(socket.refreshToken({ refreshToken: 'r' }));
    expect(error).toMatchObject({ reason: 'PERMISSION_DENIED', details: { caller: 'socket' } });
    expect(lines.at(-1)).toMatchObject({ reason: 'PERMISSION_DENIED', details: { caller: 'socket' } });
  });

  test('without a common name are who their first DNS name says', async () => {
    const dir = folderOf('auth');
    authority.issue(dir, 'search', { commonName: false, dnsNames: ['search', 'search.caas.svc'] });
    const { address } = await serve(mutualTls({ dir, service: 'auth' }));
    expect((await connect(address, mutualTls({ dir, service: 'search' })).getKeys({})).jwksJson).toBe('search');
  });

  test('are no operators without the operator’s token, and nobody is by the token of another or none', async () => {
    const { address } = await serve(tls('auth', { operatorToken }));
    expect((await connect(address, tls('operator', { operatorToken }), 'operator').rotateKey({})).keyId).toBe('k2');
    for (const token of [{}, { operatorToken: 'guessed' }]) {
      const error = await refusal(connect(address, tls('operator', token), 'operator').rotateKey({}));
      expect(error.reason).toBe('UNAUTHENTICATED');
    }
    expect((await refusal(connect(address, tls('gateway')).rotateKey({}))).reason).toBe('PERMISSION_DENIED');
    const unaware = await serve(tls('auth'));
    const none = connect(unaware.address, tls('operator', { operatorToken }), 'operator');
    expect((await refusal(none.rotateKey({}))).reason).toBe('UNAUTHENTICATED');
  });

  test('reach a server that listens beyond loopback', async () => {
    const services = bindings();
    const server = await createGrpcServer({ name: 'auth', address: '0.0.0.0:0', services, auth: tls('auth'), logger });
    closing.push(() => server.stop(100));
    expect((await connect(`127.0.0.1:${server.port}`, tls('socket')).getKeys({})).jwksJson).toBe('socket');
  });
});

describe('callers that are not trusted', () => {
  /** As `auth`, with what its files would not let it be. */
  const showing = (issuer: Authority, options: { expired?: boolean }): ServiceAuth => {
    const dir = folderOf('gateway');
    issuer.issue(dir, 'gateway', options);
    return {
      ...tls('gateway'),
      channelCredentials: ChannelCredentials.createSsl(
        read(join(dir, 'ca.pem')),
        read(join(dir, 'gateway.key')),
        read(join(dir, 'gateway.pem')),
      ),
    };
  };

  test.each([
    ['of another authority', () => showing(stranger, {}), /UNABLE_TO_/],
    ['expired', () => showing(authority, { expired: true }), /CERT_HAS_EXPIRED/],
    [
      'missing',
      () => ({ ...tls('gateway'), channelCredentials: ChannelCredentials.createSsl(read(authority.caFile)) }),
      /./,
    ],
  ])('a certificate %s is refused, and both sides hear why', async (_what, auth, code) => {
    const { address } = await serve(tls('auth'));
    const error = await refusal(connect(address, auth()).getKeys({}));
    expect(error).toMatchObject({ reason: 'UNAUTHENTICATED', details: { subject: 'caller' } });
    expect(error.message).toMatch(/certificate is not trusted/);
    expect(error.details['tls']).toMatch(code);
    expect(lines.at(-1)).toMatchObject({ reason: 'UNAUTHENTICATED', details: { tls: error.details['tls'] } });

    const health = createGrpcClient(HealthService, {
      address,
      auth: auth(),
      callerName: '',
      logger,
      serverName: 'auth',
    });
    closing.push(() => health.close());
    expect((await refusal(health.check({ service: '' }))).reason).toBe('UNAUTHENTICATED');
  });

  test('health answers whoever shows a certificate', async () => {
    const { address } = await serve(tls('auth'));
    const auth = tls('webhooks');
    const health = createGrpcClient(HealthService, { address, auth, callerName: '', logger, serverName: 'auth' });
    closing.push(() => health.close());
    expect(await health.check({ service: '' })).toEqual({ status: 1 });
  });
});

describe('servers that are not trusted', () => {
  test.each([
    ['another service’s certificate', 'socket', () => authority, /altnames/],
    ['a certificate of another authority', 'auth', () => stranger, /self-signed|unable to/],
  ])('%s is refused by the caller, who says so', async (_what, name, issuer, words) => {
    const dir = folderOf(name, issuer(), issuer());
    const { address } = await serve(mutualTls({ dir, service: name }));
    const error = await refusal(connect(address, tls('gateway')).getKeys({}));
    expect(error.reason).toBe('UNAVAILABLE');
    expect(String(error.cause)).toMatch(words);
  });
});

describe('files that are replaced', () => {
  test('are used for new connections, and open calls go on', async () => {
    const serverDir = folderOf('auth');
    const clientDir = folderOf('socket');
    const { address } = await serve(mutualTls({ dir: serverDir, service: 'auth', reloadMs, onFault: () => undefined }));
    const auth = mutualTls({ dir: clientDir, service: 'socket', reloadMs, onFault: () => undefined });
    const sessions = createGrpcClient(SessionServiceService, { address, auth, callerName: 'socket', logger });
    closing.push(() => sessions.close());
    const enough = new AbortController();
    let beats = 0;
    const watching = (async () => {
      for await (const _ of sessions.watchRevocations({}, { signal: enough.signal })) beats += 1;
    })().catch((error: unknown) => error);
    await until(() => beats > 0);

    // Another authority and all new certificates, as when the old ones were stolen.
    for (const [dir, name] of [
      [serverDir, 'auth'],
      [clientDir, 'socket'],
    ] as const) {
      stranger.issue(dir, name);
      copyFileSync(stranger.caFile, join(dir, 'ca.pem'));
    }
    /** Clients made with one `auth` share a connection to an address, so each end is tried against one that is new. */
    const works = (at: string, as: ServiceAuth): Promise<boolean> =>
      connect(at, as, 'socket')
        .getKeys({})
        .then(
          () => true,
          () => false,
        );
    const newSocket = mutualTls({ dir: clientDir, service: 'socket' });
    await until(() => works(address, newSocket));
    const newServer = await serve(mutualTls({ dir: serverDir, service: 'auth' }));
    await until(() => works(newServer.address, auth));
    expect(await works(address, tls('socket'))).toBe(false);
    const before = beats;
    await until(() => beats > before + 5);
    enough.abort(new Error('enough'));
    expect(await watching).toMatchObject({ message: 'enough' });
  });

  test('and are wrong change nothing, told once until they are right', async () => {
    const dir = folderOf('auth');
    const faults: Error[] = [];
    const auth = mutualTls({ dir, service: 'auth', reloadMs, onFault: (fault) => faults.push(fault as Error) });
    const { address } = await serve(auth);
    const asSocket = tls('socket');
    writeFileSync(join(dir, 'auth.pem'), 'half a cert');
    await until(() => faults.length > 0);
    expect((await connect(address, asSocket).getKeys({})).jwksJson).toBe('socket');
    authority.issue(dir, 'auth', { expired: true });
    await until(() => faults.some(({ message }) => /expired at/.test(message)));
    authority.issue(dir, 'auth');
    expect((await connect(address, asSocket).getKeys({})).jwksJson).toBe('socket');
    expect(faults.filter(({ message }) => /no certificate in it/.test(message))).toHaveLength(1);
  });

  test('say at the start which of them is wrong and how', () => {
    const good = folderOf('auth');
    const opened = (dir: string) => () => mutualTls({ dir, service: 'auth' });
    expect(opened(good)).not.toThrow();
    expect(opened(newEmpty())).toThrow(/ca\.pem: ENOENT/);
    authority.issue(good, 'socket', { file: 'auth' });
    expect(opened(good)).toThrow(/auth\.pem: it is the certificate of socket, not of auth/);
    authority.issue(good, 'auth', { dnsNames: ['other'] });
    expect(opened(good)).toThrow(/auth\.pem: auth is not among its DNS names/);
    authority.issue(good, 'auth', { expired: true });
    expect(opened(good)).toThrow(/auth\.pem: it expired at/);
    stranger.issue(good, 'auth');
    expect(opened(good)).toThrow(/auth\.pem: no authority of ca\.pem issued it/);
    authority.issue(good, 'auth');
    authority.issue(good, 'socket');
    copyFileSync(join(good, 'socket.key'), join(good, 'auth.key'));
    expect(opened(good)).toThrow(/auth\.pem: it does not belong to the key in auth\.key/);
    rmSync(join(good, 'auth.key'));
    expect(opened(good)).toThrow(/auth\.key: ENOENT/);
  });
});
