import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type AuthUnderTest,
  type AuthUnderTestOptions,
  startAuth,
  TestClock,
  testServiceAuth,
} from '@caas/auth/testing';
import { memoryRateLimits, type RateLimits } from '@caas/key-value';
import { CaasError, newSecret, type Reason, reasonTable, ruleOf } from '@caas/kit';
import { createLogger } from '@caas/kit/log';
import { ClientFrame } from '@caas/proto/caas/socket/v1/commands';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { createGateway } from './app.ts';
import { type GatewayConfig, gatewayConfig } from './config.ts';
import { problem as problemSchema } from './schemas/common.ts';

const root = await mkdtemp(join(tmpdir(), 'gateway-'));
afterAll(() => rm(root, { recursive: true, force: true }));

const appSecret = newSecret();
const socketUrls = ['ws://one.test:3001', 'ws://two.test:3001', 'ws://three.test:3001'];
const env = Object.fromEntries(socketUrls.map((url, i) => [`SOCKET_SERVICE_${i + 1}_URL`, url]));

interface Options {
  config?: Partial<GatewayConfig>;
  auth?: Partial<AuthUnderTestOptions>;
  rateLimits?: RateLimits;
  folder?: string;
}

let counter = 0;
const start = async ({ config, auth: authOptions, rateLimits, folder }: Options = {}) => {
  const auth: AuthUnderTest = await startAuth({ folder: folder ?? join(root, String(++counter)), ...authOptions });
  const { appId } = await auth.bootstrapDevelopment({ appSecret });
  const lines: string[] = [];
  const gateway = await createGateway({
    serviceAuth: testServiceAuth,
    rateLimits: rateLimits ?? memoryRateLimits(),
    localRateLimits: memoryRateLimits(),
    config: { ...gatewayConfig(env), port: 0, grpcAddress: '127.0.0.1:0', authAddress: auth.address, ...config },
    logger: createLogger({
      service: 'gateway',
      level: 'trace',
      destination: { write: (line) => void lines.push(line) },
    }),
  });
  const stopping = new AbortController();
  const running = gateway.run(stopping.signal);
  const call = async (method: string, path: string, init: RequestInit & { json?: unknown; token?: string } = {}) => {
    const { json, token, ...rest } = init;
    const headers = new Headers(rest.headers);
    if (json !== undefined && !headers.has('content-type')) headers.set('content-type', 'application/json');
    if (token !== undefined) headers.set('authorization', `Bearer ${token}`);
    const body = json === undefined ? rest.body : typeof json === 'string' ? json : JSON.stringify(json);
    const response = await fetch(gateway.url + path, { ...rest, method, headers, ...(body != null && { body }) });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      text,
      // biome-ignore lint/suspicious/noExplicitAny: what came over the wire is what the tests look at
      body: text === '' ? undefined : (JSON.parse(text) as any),
    };
  };
  const credentials = { app_id: appId, app_secret: appSecret, user_external_id: 'ann' };
  const issue = async (over: object = {}) => {
    const answer = await call('POST', '/api/v1/auth/sdk/token', { json: { ...credentials, ...over } });
    expect(answer.status).toBe(200);
    return answer.body;
  };
  const stop = async (): Promise<void> => {
    stopping.abort();
    await running;
    await auth.stop();
  };
  return {
    auth,
    url: gateway.url,
    call,
    issue,
    credentials,
    lines,
    stop,
    stopGateway: () => stopping.abort(),
    running,
  };
};

type Started = Awaited<ReturnType<typeof start>>;
type Answer = Awaited<ReturnType<Started['call']>>;

/** Checks that an answer is the documented refusal, whole. */
const expectProblem = (answer: Answer, reason: Reason): void => {
  expect(answer.body).toMatchObject({ reason });
  const rule = ruleOf(reason);
  expect(problemSchema.parse(answer.body)).toMatchObject({
    type: `urn:caas:error:${reason}`,
    status: rule.http,
    retryable: rule.retryable,
  });
  expect(answer.status).toBe(rule.http);
  expect(answer.headers.get('content-type')).toBe('application/problem+json');
  expect(answer.headers.get('traceparent')?.slice(3, 35)).toBe(answer.body.trace_id);
  expect(answer.headers.has('retry-after')).toBe(rule.retryable);
};

describe('the gateway', () => {
  let g: Started;
  beforeAll(async () => {
    g = await start();
  });
  afterAll(() => g.stop());

  describe('issuing tokens', () => {
    test('answers tokens, where to connect and how', async () => {
      const { issue } = g;
      const answer = await issue({ display_name: 'Ann', device: 'phone' });
      expect(answer).toMatchObject({ token_type: 'Bearer', tenant_id: 'dev' });
      expect(answer.expires_at).toBeGreaterThan(Date.now() + 14 * 60_000);
      expect(answer.expires_in).toBeGreaterThan(14 * 60);
      expect(answer.refresh_expires_at).toBeGreaterThan(Date.now() + 29 * 86_400_000);
      expect(answer.socket_urls.toSorted()).toEqual(socketUrls.toSorted());
      const guide = answer.socket_connection_guide;
      expect(guide.subprotocols).toEqual(['caas.v1.json', 'caas.v1.proto']);
      expect(guide.authorization.browser).toContain('bearer.<access_token>');
      expect(guide.close_codes).toContainEqual(expect.objectContaining({ code: 4404, reason: 'SESSION_REVOKED' }));
      expect(guide.close_codes).toHaveLength([...reasonTable.values()].filter((rule) => rule.close !== 0).length);
      for (const frame of guide.first_frames) expect(ClientFrame.fromJSON(frame).command).toBeDefined();
    });

    test('gives a user always the same first node and spreads users over all', async () => {
      const first = new Set<string>();
      for (let i = 0; i < 20; i++) {
        const [a, b] = [await g.issue({ user_external_id: `u${i}` }), await g.issue({ user_external_id: `u${i}` })];
        expect(a.socket_urls).toEqual(b.socket_urls);
        const at = socketUrls.indexOf(a.socket_urls[0]);
        expect(a.socket_urls).toEqual([...socketUrls.slice(at), ...socketUrls.slice(0, at)]);
        first.add(a.socket_urls[0]);
      }
      expect(first.size).toBe(3);
    });

    test('gives tokens that the published keys verify with an independent library', async () => {
      const { access_token, user_id, session_id } = await g.issue();
      const keys = createRemoteJWKSet(new URL(`${g.url}/.well-known/jwks.json`));
      const { payload } = await jwtVerify(access_token, keys, {
        issuer: 'caas',
        audience: 'caas',
        algorithms: ['EdDSA'],
      });
      expect(payload).toMatchObject({ sub: user_id, sid: session_id, tid: 'dev' });
      const answer = await g.call('GET', '/.well-known/jwks.json');
      expect(answer.headers.get('cache-control')).toMatch(/^public, max-age=\d+$/);
      for (const key of answer.body.keys) expect(key).not.toHaveProperty('d');
    });

    test('answers a wrong secret and an unknown app with the same words', async () => {
      const refused = async (over: object) => {
        const answer = await g.call('POST', '/api/v1/auth/sdk/token', { json: { ...g.credentials, ...over } });
        expectProblem(answer, 'UNAUTHENTICATED');
        return { ...answer.body, trace_id: '' };
      };
      expect(await refused({ app_id: 'nobody' })).toEqual(await refused({ app_secret: newSecret() }));
    });
  });

  describe('sessions', () => {
    test('refresh once, and a second use of the token ends them', async () => {
      const first = await g.issue();
      const refresh = (refresh_token: string) =>
        g.call('POST', '/api/v1/auth/token/refresh', { json: { refresh_token } });
      const second = await refresh(first.refresh_token);
      expect(second.status).toBe(200);
      expect(second.body).toMatchObject({ session_id: first.session_id, user_id: first.user_id, token_type: 'Bearer' });
      expectProblem(await refresh(first.refresh_token), 'REFRESH_TOKEN_REUSED');
      expectProblem(await refresh(second.body.refresh_token), 'REFRESH_TOKEN_REUSED');
      const sessions = await g.call('GET', '/api/v1/auth/sessions', { token: second.body.access_token });
      expectProblem(sessions, 'SESSION_REVOKED');
    });

    test('refreshed twice at once are refreshed once', async () => {
      const { refresh_token } = await g.issue();
      const answers = await Promise.all(
        Array.from({ length: 4 }, () => g.call('POST', '/api/v1/auth/token/refresh', { json: { refresh_token } })),
      );
      expect(answers.map((a) => a.status).toSorted()).toEqual([200, 401, 401, 401]);
    });

    test('are listed and ended one by one, all, and by logout', async () => {
      const user_external_id = 'sessions-user';
      const [a, b, c] = [
        await g.issue({ user_external_id, device: 'a' }),
        await g.issue({ user_external_id, device: 'b' }),
        await g.issue({ user_external_id }),
      ];
      const list = async (token: string) => (await g.call('GET', '/api/v1/auth/sessions', { token })).body.sessions;
      const listed = await list(a.access_token);
      expect(listed).toHaveLength(3);
      const own = listed.find((s: { current: boolean }) => s.current);
      expect(own).toMatchObject({ session_id: a.session_id, device: 'a', remote_address: '127.0.0.1' });
      const end = (id: string, token: string) => g.call('DELETE', `/api/v1/auth/sessions/${id}`, { token });
      expect((await end(b.session_id, a.access_token)).status).toBe(204);
      expectProblem(await g.call('GET', '/api/v1/auth/sessions', { token: b.access_token }), 'SESSION_REVOKED');
      const logout = await g.call('POST', '/api/v1/auth/logout', { token: c.access_token });
      expect([logout.status, logout.text]).toEqual([204, '']);
      expectProblem(await g.call('POST', '/api/v1/auth/logout', { token: c.access_token }), 'SESSION_REVOKED');
      expect(await list(a.access_token)).toHaveLength(1);
      const all = await g.call('DELETE', '/api/v1/auth/sessions', { token: a.access_token });
      expect(all.body).toEqual({ ended: 1 });
      expectProblem(await g.call('GET', '/api/v1/auth/sessions', { token: a.access_token }), 'SESSION_REVOKED');
    });

    test('of another user are not found', async () => {
      const [ann, bob] = [await g.issue(), await g.issue({ user_external_id: 'bob' })];
      for (const id of [bob.session_id, 'none']) {
        const answer = await g.call('DELETE', `/api/v1/auth/sessions/${id}`, { token: ann.access_token });
        expectProblem(answer, 'NOT_FOUND');
      }
    });
  });

  describe('refuses', () => {
    const tokenPath = '/api/v1/auth/sdk/token';

    test('requests without a token or with one that is not ours', async () => {
      const { access_token } = await g.issue();
      const [head, payload] = access_token.split('.');
      const none = Buffer.from('{"alg":"none"}').toString('base64url');
      for (const token of [undefined, 'junk', `${none}.${payload}.`, `${head}.${payload}.${'A'.repeat(86)}`]) {
        const answer = await g.call('GET', '/api/v1/auth/sessions', token === undefined ? {} : { token });
        expectProblem(answer, 'UNAUTHENTICATED');
        expect(answer.headers.get('www-authenticate')).toBe('Bearer');
      }
      const basic = await g.call('GET', '/api/v1/auth/sessions', { headers: { authorization: 'Basic eDp5' } });
      expectProblem(basic, 'UNAUTHENTICATED');
    });

    test('credentials in the URL, on every path', async () => {
      const { access_token } = await g.issue();
      for (const name of ['access_token', 'token', 'Token', 'app_secret']) {
        for (const path of ['/api/v1/auth/sessions', '/health/live', '/nowhere']) {
          const answer = await g.call('GET', `${path}?a=1&${name}=x`, { token: access_token });
          expectProblem(answer, 'TOKEN_IN_URL');
        }
      }
    });

    test('bodies that are not JSON, not called JSON, compressed, or not an object', async () => {
      for (const json of ['', '{', '{"a":1', 'null x', "{'a':1}"]) {
        expectProblem(await g.call('POST', tokenPath, { json }), 'PAYLOAD_NOT_JSON');
      }
      const text = JSON.stringify(g.credentials);
      for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonx']) {
        const answer = await g.call('POST', tokenPath, { json: text, headers: { 'content-type': type } });
        expectProblem(answer, 'PAYLOAD_NOT_JSON');
      }
      const coded = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
      expectProblem(await g.call('POST', tokenPath, { json: text, headers: coded }), 'PAYLOAD_NOT_JSON');
      expectProblem(await g.call('POST', tokenPath), 'PAYLOAD_NOT_JSON');
      for (const json of ['null', '5', '"x"', '[]']) {
        expectProblem(await g.call('POST', tokenPath, { json }), 'INVALID_ARGUMENT');
      }
    });

    test('fields that are wrong, missing, unknown or too long, and names them', async () => {
      const wrong: [string, object][] = [
        ['app_id', { app_id: 5 }],
        ['app_secret', { app_secret: undefined }],
        ['user_external_id', { user_external_id: '' }],
        ['user_external_id', { user_external_id: 'x'.repeat(257) }],
        ['user_external_id', { user_external_id: 'ä'.repeat(129) }],
        ['user_external_id', { user_external_id: 'a\u0000' }],
        ['user_external_id', { user_external_id: ['a'] }],
        ['display_name', { display_name: null }],
        ['extra', { extra: 1 }],
      ];
      for (const [field, over] of wrong) {
        const answer = await g.call('POST', tokenPath, { json: { ...g.credentials, ...over } });
        expectProblem(answer, 'INVALID_ARGUMENT');
        expect(answer.body.details).toMatchObject({ field });
        expect(answer.text).not.toContain(appSecret);
      }
      const raw = JSON.stringify(g.credentials).replace('"ann"', '"a\\ud800"');
      expectProblem(await g.call('POST', tokenPath, { json: raw }), 'INVALID_ARGUMENT');
      const proto = JSON.stringify(g.credentials).replace('{', '{"__proto__":{"x":1},');
      expectProblem(await g.call('POST', tokenPath, { json: proto }), 'INVALID_ARGUMENT');
      expect((await g.issue({ user_external_id: 'ä'.repeat(128) })).user_id).toBeTruthy();
    });

    test('bodies over 64 KiB, said or not', async () => {
      const big = JSON.stringify({ ...g.credentials, display_name: 'x'.repeat(70_000) });
      expectProblem(await g.call('POST', tokenPath, { json: big }), 'FRAME_TOO_LARGE');
      const chunked = await new Promise<number>((resolve, reject) => {
        const request = httpRequest(g.url + tokenPath, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
        });
        request.on('response', (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        });
        request.on('error', reject);
        for (let i = 0; i < 70; i++) request.write('x'.repeat(1024));
        request.end();
      });
      expect(chunked).toBe(413);
    });

    test('other methods with the ones allowed', async () => {
      const expected: [string, string, string][] = [
        ['GET', tokenPath, 'POST'],
        ['PUT', '/api/v1/auth/sessions', 'GET, HEAD, DELETE'],
        ['OPTIONS', '/api/v1/auth/logout', 'POST'],
        ['POST', '/openapi.json', 'GET, HEAD'],
      ];
      for (const [method, path, allow] of expected) {
        const answer = await g.call(method, path);
        expectProblem(answer, 'METHOD_NOT_ALLOWED');
        expect(answer.headers.get('allow')).toBe(allow);
      }
    });

    test('unknown paths, the messaging paths of the old API among them', async () => {
      const messaging = [
        ['POST', '/api/v1/messages'],
        ['GET', '/api/v1/messages/m1'],
        ['PUT', '/api/v1/messages/m1'],
        ['DELETE', '/api/v1/messages/m1'],
        ['POST', '/api/v1/messages/m1/reactions'],
        ['POST', '/api/v1/messages/m1/read'],
        ['GET', '/api/v1/conversations'],
        ['POST', '/api/v1/conversations'],
        ['GET', '/api/v1/conversations/c1/messages'],
        ['POST', '/api/v1/conversations/c1/messages'],
        ['POST', '/api/v1/conversations/c1/members'],
      ] as const;
      const { access_token: token } = await g.issue();
      for (const [method, path] of [...messaging, ['GET', '/'], ['GET', '/api/v1/auth/SESSIONS']] as const) {
        expectProblem(await g.call(method, path, { token }), 'NOT_FOUND');
      }
      expectProblem(await g.call('GET', '/api/v1/auth/%zz'), 'NOT_FOUND');
      const malformed = await g.call('DELETE', '/api/v1/auth/sessions/%zz', { token });
      expect([malformed.status, malformed.body.reason]).toEqual([400, 'MALFORMED_FRAME']);
    });

    test('what is not HTTP, and headers without end', async () => {
      const { hostname, port } = new URL(g.url);
      const said = (text: string) =>
        new Promise<string>((resolve, reject) => {
          const socket = connect(Number(port), hostname, () => socket.write(text));
          let all = '';
          socket.on('data', (chunk) => {
            all += chunk;
          });
          socket.on('end', () => resolve(all));
          socket.on('error', reject);
        });
      const garbage = await said('hello\r\n\r\n');
      expect(garbage).toMatch(/^HTTP\/1\.1 400 /);
      expect(JSON.parse(garbage.split('\r\n\r\n')[1] ?? '')).toMatchObject({ reason: 'MALFORMED_FRAME', status: 400 });
      expect(await said(`GET / HTTP/1.1\r\nhost: x\r\nx: ${'a'.repeat(20_000)}\r\n\r\n`)).toMatch(/^HTTP\/1\.1 431 /);
      for (const [text, status, reason] of [
        ['GET /health/live HTTP/1.1\r\n\r\n', 400, 'MALFORMED_FRAME'],
        ['GET /health/live HTTP/1.1\r\nhost: x\r\nexpect: foo\r\n\r\n', 417, 'INVALID_ARGUMENT'],
        ['CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n', 405, 'METHOD_NOT_ALLOWED'],
      ] as const) {
        const answer = await said(text);
        expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
        const problem = JSON.parse(answer.split('\r\n\r\n')[1] ?? '');
        expect(problem).toMatchObject({ reason, status, trace_id: expect.stringMatching(/^[0-9a-f]{32}$/) });
      }
    });
  });

  test('takes up the caller’s trace, begins one otherwise, and ignores a malformed one', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const answer = await g.call('GET', '/nowhere', { headers: { traceparent } });
    expect(answer.headers.get('traceparent')).toBe(traceparent);
    expect(answer.body.trace_id).toBe('0af7651916cd43dd8448eb211c80319c');
    for (const headers of [{}, { traceparent: 'junk' }]) {
      const other = await g.call('GET', '/health/live', { headers });
      expect(other.headers.get('traceparent')).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/);
    }
  });

  test('tells nothing of what serves and lets nobody keep answers', async () => {
    const answer = await g.call('POST', '/api/v1/auth/sdk/token', { json: g.credentials });
    expect(answer.headers.has('x-powered-by')).toBe(false);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    expect(answer.headers.get('strict-transport-security')).toBeTruthy();
  });

  test('describes itself in OpenAPI 3.1, and every route of the description answers', async () => {
    const { body: document } = await g.call('GET', '/openapi.json');
    expect(document.openapi).toBe('3.1.0');
    const { access_token: token } = await g.issue({ user_external_id: 'openapi' });
    const seen: string[] = [];
    for (const [path, methods] of Object.entries<Record<string, { responses: object }>>(document.paths)) {
      for (const [method, operation] of Object.entries(methods)) {
        const url = path.replaceAll(/\{\w+\}/g, 'x');
        const json = method === 'post' && path !== '/api/v1/auth/logout' ? { json: {} } : {};
        const answer = await g.call(method.toUpperCase(), url, { token, ...json });
        expect(Object.keys(operation.responses)).toContain(String(answer.status));
        expect(answer.body?.detail ?? '').not.toContain('nothing at this path');
        seen.push(`${method} ${path} ${answer.status}`);
      }
    }
    expect(seen).toHaveLength(10);
    const operations = Object.values<Record<string, { operationId: string }>>(document.paths).flatMap(Object.values);
    const documented = readFileSync('docs/services.md', 'utf8').matchAll(
      /^\| `(?:GET|POST|DELETE) [^|]* \| `(\w+)` \|/gm,
    );
    expect(operations.map(({ operationId }) => operationId).sort()).toEqual([...documented].map(([, id]) => id).sort());
    expect(document.components.schemas.Problem.properties.reason.enum).toEqual([...reasonTable.keys()]);
    expect(document.components.schemas.IssueTokenRequest.additionalProperties).toBe(false);
  });

  test('never logs a credential', async () => {
    const { access_token, refresh_token } = await g.issue();
    await g.call('GET', '/api/v1/auth/sessions', { token: access_token });
    await g.call('POST', '/api/v1/auth/token/refresh', { json: { refresh_token } });
    await g.call('POST', '/api/v1/auth/sdk/token', { json: { ...g.credentials, app_id: 5 } });
    await g.call('GET', `/nowhere?token=${access_token}`);
    const log = g.lines.join('');
    expect(log).toContain('/api/v1/auth/sdk/token');
    for (const secret of [access_token, refresh_token, appSecret, access_token.split('.')[2]]) {
      expect(log.includes(secret)).toBe(false);
    }
  });
});

describe('the gateway by its settings', () => {
  test('limits issues per app and per address, with standard headers', async () => {
    const rates = { ...gatewayConfig(env).rates, tokensPerApp: 3, tokensPerAddress: 5 };
    const g = await start({ config: { rates } });
    const issue = (app_id: string) => g.call('POST', '/api/v1/auth/sdk/token', { json: { ...g.credentials, app_id } });
    const first = await issue(g.credentials.app_id);
    expect(first.headers.get('ratelimit-limit')).toBe('3');
    expect(first.headers.get('ratelimit-remaining')).toBe('2');
    expect(Number(first.headers.get('ratelimit-reset'))).toBeGreaterThan(50);
    await issue(g.credentials.app_id);
    await issue(g.credentials.app_id);
    const fourth = await issue(g.credentials.app_id);
    expectProblem(fourth, 'RATE_LIMITED');
    expect(fourth.body.details).toMatchObject({ limit: 'gateway.tokensPerApp', value: '3' });
    expect(Number(fourth.headers.get('retry-after'))).toBeGreaterThan(50);
    expectProblem(await issue('other'), 'UNAUTHENTICATED');
    const sixth = await issue('other');
    expectProblem(sixth, 'RATE_LIMITED');
    expect(sixth.body.details).toMatchObject({ limit: 'gateway.tokensPerAddress' });
    expect((await g.call('GET', '/health/live')).status).toBe(200);
    await g.stop();
  });

  test('bodies that are not valid count against their address, and past the limit no long one is read', async () => {
    const rates = { ...gatewayConfig(env).rates, invalidBodies: 2 };
    const g = await start({ config: { rates } });
    try {
      expectProblem(await g.call('POST', '/api/v1/auth/sdk/token', { json: { nonsense: 1 } }), 'INVALID_ARGUMENT');
      expectProblem(await g.call('POST', '/api/v1/auth/sdk/token', { json: '{' }), 'PAYLOAD_NOT_JSON');
      const third = await g.call('POST', '/api/v1/auth/sdk/token', { json: { nonsense: 1 } });
      expectProblem(third, 'RATE_LIMITED');
      expect(third.body.details).toMatchObject({ limit: 'gateway.invalidBodies', value: '2' });
      const long = { ...g.credentials, display_name: 'x'.repeat(5_000) };
      expectProblem(await g.call('POST', '/api/v1/auth/sdk/token', { json: long }), 'RATE_LIMITED');
      expectProblem(await g.call('POST', '/api/v1/auth/sdk/token', { json: '{' }), 'RATE_LIMITED');
    } finally {
      await g.stop();
    }
  });

  test('what strangers at an address spend, bad bodies and secrets, is not taken from an app that has proved its own', async () => {
    const rates = { ...gatewayConfig(env).rates, invalidBodies: 3, tokensPerAddress: 10, tokensPerApp: 20 };
    const g = await start({ config: { rates } });
    const stranger = (json: unknown) => g.call('POST', '/api/v1/auth/sdk/token', { json });
    try {
      const { refresh_token } = await g.issue();
      for (let i = 0; i < 6; i += 1) await stranger({ nonsense: i });
      // Bad bodies alone stop nobody, who refreshes or who comes for the first time.
      expect((await g.call('POST', '/api/v1/auth/token/refresh', { json: { refresh_token } })).status).toBe(200);
      await g.issue({ user_external_id: 'ben' });
      for (let i = 0; i < 10; i += 1) await stranger({ ...g.credentials, app_id: `app-${i}`, app_secret: newSecret() });
      const last = await stranger({ ...g.credentials, app_secret: newSecret() });
      expectProblem(last, 'RATE_LIMITED');
      expect(last.body.details).toMatchObject({ limit: 'gateway.tokensPerAddress' });
      expectProblem(await stranger({ nonsense: true }), 'RATE_LIMITED');
      for (let i = 0; i < 18; i += 1) await g.issue();
      const beyond = await stranger(g.credentials);
      expectProblem(beyond, 'RATE_LIMITED');
      expect(beyond.body.details).toMatchObject({ limit: 'gateway.tokensPerApp' });
    } finally {
      await g.stop();
    }
  });

  test('an app id without its secret uses up nothing of the app; failures are counted for their address', async () => {
    const rates = { ...gatewayConfig(env).rates, tokensPerApp: 2, tokenFailures: 3 };
    const g = await start({ config: { rates } });
    const wrong = () =>
      g.call('POST', '/api/v1/auth/sdk/token', { json: { ...g.credentials, app_secret: newSecret() } });
    for (let i = 0; i < 3; i += 1) expectProblem(await wrong(), 'UNAUTHENTICATED');
    const fourth = await wrong();
    expectProblem(fourth, 'RATE_LIMITED');
    expect(fourth.body.details).toMatchObject({ limit: 'gateway.tokenFailures', value: '3' });
    await g.issue();
    await g.issue();
    await g.stop();
  });

  test('tells how long a token lives whatever the clocks say', async () => {
    for (const days of [-40, 40]) {
      const g = await start({ auth: { clock: new TestClock(Date.now() + days * 24 * 60 * 60_000) } });
      expect((await g.issue()).expires_in).toBe(900);
      await g.stop();
    }
  });

  test('tells clients the ping and pong of its settings', async () => {
    const settings = gatewayConfig({ ...env, SOCKET_PING_INTERVAL: '5000', SOCKET_PONG_TIMEOUT: '900' });
    const g = await start({
      config: { pingIntervalMs: settings.pingIntervalMs, pongTimeoutMs: settings.pongTimeoutMs },
    });
    const { socket_connection_guide } = await g.issue();
    expect(socket_connection_guide).toMatchObject({ ping_interval_ms: 5_000, pong_timeout_ms: 900 });
    await g.stop();
  });

  test('counts in this process while the shared counters fail, and believes forwarded addresses only when told to', async () => {
    const broken: RateLimits = {
      take: () => Promise.reject(new CaasError('UNAVAILABLE', 'gone')),
      close: () => Promise.resolve(),
    };
    const rates = { ...gatewayConfig(env).rates, tokensPerAddress: 2 };
    for (const trustProxy of [0, 1]) {
      const g = await start({ rateLimits: broken, config: { rates, trustProxy } });
      const json = { ...g.credentials, app_secret: newSecret() };
      const from = (address: string) =>
        g.call('POST', '/api/v1/auth/sdk/token', { json, headers: { 'x-forwarded-for': address } });
      const statuses = [];
      for (const address of ['10.0.0.1', '10.0.0.2', '10.0.0.3']) statuses.push((await from(address)).status);
      expect(statuses).toEqual(trustProxy ? [401, 401, 401] : [401, 401, 429]);
      await g.stop();
    }
  });

  test('answers 503 with a retry hint while auth is gone, and says so to probes', async () => {
    const g = await start();
    const { access_token: token } = await g.issue();
    expect((await g.call('GET', '/health/ready')).body).toEqual({ status: 'ok' });
    await g.auth.stop();
    for (const answer of [
      await g.call('POST', '/api/v1/auth/sdk/token', { json: g.credentials }),
      await g.call('GET', '/api/v1/auth/sessions', { token }),
    ]) {
      expectProblem(answer, 'UNAVAILABLE');
      // Nobody is told what serves them.
      expect(answer.text).not.toMatch(/caas\.auth|TokenService|SessionService|grpc|127\.0\.0\.1|VerifyTokens/i);
    }
    const untilMs = Date.now() + 3000;
    let ready = await g.call('GET', '/health/ready');
    while (ready.status === 200 && Date.now() < untilMs) ready = await g.call('GET', '/health/ready');
    expectProblem(ready, 'UNAVAILABLE');
    expect((await g.call('GET', '/health/live')).status).toBe(200);
    await g.stop();
  });

  test('says when a token expired, and that sessions of before a restart go on', async () => {
    const clock = new TestClock(Date.now());
    const folder = join(root, 'restart');
    const before = await start({ folder, auth: { clock } });
    const { access_token: token, refresh_token } = await before.issue();
    await before.stop();
    const after = await start({ folder, auth: { clock } });
    expect((await after.call('GET', '/api/v1/auth/sessions', { token })).status).toBe(200);
    clock.move(15 * 60_000);
    expectProblem(await after.call('GET', '/api/v1/auth/sessions', { token }), 'TOKEN_EXPIRED');
    const refreshed = await after.call('POST', '/api/v1/auth/token/refresh', { json: { refresh_token } });
    expect(refreshed.status).toBe(200);
    await after.stop();
  });

  test('finishes open requests at the signal and takes no new ones', async () => {
    const g = await start();
    await g.issue();
    const open = httpRequest(`${g.url}/api/v1/auth/sdk/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
    });
    const answered = new Promise<[number | undefined, string | undefined]>((resolve, reject) => {
      open.on('response', (response) => {
        response.resume();
        resolve([response.statusCode, response.headers.connection]);
      });
      open.on('error', reject);
    });
    const body = JSON.stringify(g.credentials);
    await new Promise<void>((resolve) => open.write(body.slice(0, 5), () => resolve()));
    await g.call('GET', '/health/live');
    g.stopGateway();
    open.end(body.slice(5));
    expect((await answered)[0]).toBe(200);
    await g.running;
    await expect(fetch(`${g.url}/health/live`)).rejects.toThrow();
    await g.stop();
  });

  test('takes the socket URLs in the order of their numbers and needs at least one', () => {
    const urls = { SOCKET_SERVICE_10_URL: 'ws://c', SOCKET_SERVICE_2_URL: 'ws://b', SOCKET_SERVICE_1_URL: 'wss://a/' };
    expect(gatewayConfig(urls).socketUrls).toEqual(['wss://a', 'ws://b', 'ws://c']);
    expect(() => gatewayConfig({})).toThrow('SOCKET_SERVICE_1_URL');
    expect(() => gatewayConfig({ SOCKET_SERVICE_1_URL: 'http://a' })).toThrow(/SOCKET_SERVICE_1_URL: /);
  });
});
