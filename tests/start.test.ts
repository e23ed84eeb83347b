import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '@caas/kit/testing/until';
import { TenantServiceService } from '@caas/proto/caas/auth/v1/tenant_service';
import { Client, credentials, Metadata, type MethodDefinition } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { signIn } from './support/platform.ts';
import { RawClient } from './support/raw-client.ts';

const anyPorts = { GATEWAY_PORT: '0', SOCKET_1_PORT: '0', SOCKET_2_PORT: '0', AUTH_GRPC_PORT: '0' };

/** `npm start` as a process, with these variables and no others of ours. */
class Started {
  readonly #process: ChildProcess;
  readonly exited: Promise<number | null>;
  out = '';
  err = '';

  constructor(env: Record<string, string>) {
    this.#process = spawn(process.execPath, ['-C', '@caas/source', 'platform/src/main.ts'], {
      env: { PATH: process.env['PATH'], ...anyPorts, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#process.stdout?.on('data', (chunk) => {
      this.out += chunk;
    });
    this.#process.stderr?.on('data', (chunk) => {
      this.err += chunk;
    });
    this.exited = once(this.#process, 'close').then(([code]) => code as number | null);
  }

  /** Resolves with the banner once it is whole. */
  async banner(): Promise<string> {
    const said = (): string => this.out + this.err;
    await until('the banner', said, () => this.out.includes('\n\n') || this.#process.exitCode !== null, 20_000);
    if (!this.out.includes('CAAS is up.')) throw new Error(`no banner: ${said()}`);
    return this.out;
  }

  async stop(): Promise<void> {
    this.#process.kill('SIGINT');
    await this.exited;
  }
}

describe('npm start', () => {
  let folder: string;
  const started: Started[] = [];
  const start = (env: Record<string, string>): Started => {
    const one = new Started(env);
    started.push(one);
    return one;
  };
  /** What is said by one that must not start, which is all it says. */
  const refusal = async (env: Record<string, string>): Promise<string> => {
    const one = start({ CAAS_DATA: join(folder, 'unused'), ...env });
    const code = await one.exited;
    expect({ code, out: one.out, err: one.err }).toEqual({
      code: 78,
      out: '',
      err: expect.stringMatching(/^[^{]+\n$/),
    });
    expect(one.err).not.toMatch(/^ +at /m);
    return one.err;
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'caas-start-'));
  });
  afterAll(async () => {
    await Promise.all(started.map((one) => one.stop()));
    await rm(folder, { recursive: true, force: true });
  });

  describe('tells in a sentence, with exit code 78,', () => {
    test('that the data folder can’t be one', async () => {
      const file = join(folder, 'file');
      await writeFile(file, '');
      const said = await Promise.all(
        [file, join(file, 'below'), '/proc/caas'].map((data) => refusal({ CAAS_DATA: data })),
      );
      expect(said).toEqual([
        `the data folder ${file} can't be used: there is a file in its place. Set CAAS_DATA to another one.\n`,
        `the data folder ${join(file, 'below')} can't be used: there is a file in its place. Set CAAS_DATA to another one.\n`,
        "the data folder /proc/caas can't be used: nothing can be made there. Set CAAS_DATA to another one.\n",
      ]);
    }, 45_000);

    test('that the development app is for loopback, and what to set instead', async () => {
      const said = await refusal({ CAAS_HOST: '0.0.0.0' });
      expect(said).toContain('CAAS_HOST=0.0.0.0 is not a loopback address');
      expect(said).toContain('CAAS_DEVELOPMENT_APP=false');
    });

    test('every setting that is wrong, of all services, each once', async () => {
      const wrong = {
        LOG_LEVEL: 'loud',
        CAAS_OPERATOR_TOKEN: 'not one, with blanks',
        AUTH_MAX_LIVE_SESSIONS: '0',
        SOCKET_TEXT_LIMIT: '1MiB',
        PERSISTENCE_GATHER_MS: '1h',
        GATEWAY_RATE_WINDOW: 'long',
      };
      const said = await refusal(wrong);
      for (const name of Object.keys(wrong)) expect([name, said.split(`  ${name}: `).length - 1]).toEqual([name, 1]);
      expect(said).not.toContain(wrong.CAAS_OPERATOR_TOKEN);
    });

    test('which database is damaged', async () => {
      const data = join(folder, 'damaged');
      const platform = start({ CAAS_DATA: data });
      await platform.banner();
      await platform.stop();
      const file = join(data, 'messages.db');
      const bytes = await readFile(file);
      await writeFile(file, bytes.fill(0xa5, 4096));
      expect(await refusal({ CAAS_DATA: data })).toMatch(/messages\.db can't be opened: SQLITE_/);
    });

    test('which variable moves the port that is taken', async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const port = String((server.address() as AddressInfo).port);
      try {
        const variables = ['GATEWAY_PORT', 'SOCKET_2_PORT', 'AUTH_GRPC_PORT'];
        const said = await Promise.all(
          variables.map((name) => refusal({ [name]: port, CAAS_DATA: join(folder, `taken-${name}`) })),
        );
        for (const [i, name] of variables.entries())
          expect(said[i]).toContain(`port ${port} is taken: stop what uses it, or set ${name} `);
        const other = createServer().listen(0, '127.0.0.1');
        await once(other, 'listening');
        const otherPort = String((other.address() as AddressInfo).port);
        const both = { GATEWAY_PORT: port, SOCKET_1_PORT: otherPort, CAAS_DATA: join(folder, 'taken-both') };
        const lines = (await refusal(both)).trim().split('\n');
        other.close();
        // All of them at once.
        expect(lines).toEqual([expect.stringContaining('GATEWAY_PORT'), expect.stringContaining('SOCKET_1_PORT')]);
      } finally {
        server.close();
      }
    }, 45_000);

    test('that another platform has the data, and that a root key is not the one', async () => {
      const data = join(folder, 'data');
      const first = start({ CAAS_DATA: data });
      expect(await first.banner()).toContain('dev-app');
      expect(await refusal({ CAAS_DATA: data })).toBe(
        `another platform is running on the data folder ${data}: stop it, or set CAAS_DATA to another folder.\n`,
      );
      await first.stop();
      const key = join(data, 'keys/root.key');
      await chmod(key, 0o644);
      expect(await refusal({ CAAS_DATA: data })).toBe(`${key} is open to other users: chmod 600 ${key}\n`);
      await rm(key);
      expect(await refusal({ CAAS_DATA: data })).toContain('restore the one they were sealed with');
      await writeFile(key, 'short', { mode: 0o600 });
      expect(await refusal({ CAAS_DATA: data })).toContain('does not hold a root key of 32 bytes');
    }, 45_000);
  });

  describe('without the development app', () => {
    const token = 'an-operators-own-token';
    const told = ['wss://one.example', 'wss://two.example'];
    let banner: string;
    let gatewayUrl: string;

    beforeAll(async () => {
      const data = join(folder, 'production');
      const development = start({ CAAS_DATA: data });
      await development.banner();
      await development.stop();
      const platform = start({
        CAAS_DATA: data,
        CAAS_HOST: '0.0.0.0',
        CAAS_DEVELOPMENT_APP: 'false',
        CAAS_OPERATOR_TOKEN: token,
        SOCKET_SERVICE_1_URL: told[0] as string,
        SOCKET_SERVICE_2_URL: told[1] as string,
        SOCKET_SENDS_BURST: '2',
        AUTH_ACCESS_TOKEN_LIFETIME: '7m',
        KAFKA_BROKERS: '127.0.0.1:1',
      });
      banner = await platform.banner();
      gatewayUrl = /gateway +(http:\S+)/.exec(banner)?.[1]?.replace('0.0.0.0', '127.0.0.1') as string;
    });

    /** A call as the documents say it: two headers, and the method's name. */
    const call = async <M extends 'createTenant' | 'createApp'>(
      headers: Record<string, string>,
      name: M,
      request: Parameters<(typeof TenantServiceService)[M]['requestSerialize']>[0],
    ): Promise<ReturnType<(typeof TenantServiceService)[M]['responseDeserialize']>> => {
      type Method = MethodDefinition<
        typeof request,
        ReturnType<(typeof TenantServiceService)[M]['responseDeserialize']>
      >;
      const { path, requestSerialize, responseDeserialize } = TenantServiceService[name] as unknown as Method;
      const [, address] = /auth +(\S+)/.exec(banner) as unknown as [string, string];
      const client = new Client(address, credentials.createInsecure());
      const metadata = new Metadata();
      for (const [key, value] of Object.entries(headers)) metadata.set(key, value);
      try {
        return await new Promise((resolve, reject) => {
          client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, metadata, (error, answer) =>
            error || !answer ? reject(error) : resolve(answer),
          );
        });
      } finally {
        client.close();
      }
    };

    test('a tenant is made from the command line, and its app gets tokens', async () => {
      const [, address] = /auth +(\S+)/.exec(banner) as unknown as [string, string];
      const caas = async (...args: string[]): Promise<string> => {
        const cli = spawn(process.execPath, ['-C', '@caas/source', 'packages/cli/src/main.ts', ...args], {
          env: { PATH: process.env['PATH'], CAAS_AUTH_ADDRESS: address, CAAS_OPERATOR_TOKEN: token },
        });
        let said = '';
        for (const stream of [cli.stdout, cli.stderr]) stream.on('data', (chunk) => (said += chunk));
        const [code] = await once(cli, 'close');
        return `${code}\n${said}`;
      };
      const created = await caas('tenant', 'create', 'by-hand', '--name', 'By hand');
      const of = (text: string, name: string) => new RegExp(`${name}=(\\S+)`).exec(text)?.[1] as string;
      const more = await caas('tenant', 'app', 'by-hand');
      for (const text of [created, more]) {
        const app = { appId: of(text, 'CAAS_APP_ID'), appSecret: of(text, 'CAAS_APP_SECRET') };
        expect((await signIn({ gatewayUrl, app } as never, 'alice')).accessToken).toBeTruthy();
      }
      expect(await caas('tenant', 'create', 'by-hand')).toMatch(/^1\n.*tenant_id is taken/s);
    }, 45_000);

    test('engines that are named are not used, and it says so', () => {
      expect(banner).toContain('Not used here: KAFKA_BROKERS.');
    });

    test('the edges listen where they are told, gRPC on loopback', () => {
      expect(banner).toMatch(/gateway +http:\/\/0\.0\.0\.0:/);
      expect(banner).toMatch(/socket 2 +ws:\/\/0\.0\.0\.0:/);
      expect(banner).toMatch(/auth +127\.0\.0\.1:/);
      expect(banner).not.toContain('dev-app');
      expect(banner).not.toContain(token);
    });

    test('an operator creates a tenant and an app, as the banner and docs/deployment.md say, and its users talk', async () => {
      const headers = { 'caas-service': 'operator', 'caas-service-token': token };
      for (const text of [banner, await readFile('docs/deployment.md', 'utf8')])
        for (const said of [
          `-H 'caas-service: operator' -H "caas-service-token: $CAAS_OPERATOR_TOKEN"`,
          'caas.auth.v1.TenantService/CreateTenant',
          'caas.auth.v1.TenantService/CreateApp',
        ])
          expect(text).toContain(said);
      const tenant = { tenantId: 'acme', name: 'Acme', limits: undefined, allowedOrigins: [] };
      const wrong = { ...headers, 'caas-service-token': 'somebody-elses-token' };
      await expect(call(wrong, 'createTenant', tenant)).rejects.toThrow(/UNAUTHENTICATED/);
      await call(headers, 'createTenant', tenant);
      const { appId, appSecret } = await call(headers, 'createApp', { tenantId: 'acme', name: 'Backend' });
      const user = await signIn({ gatewayUrl, app: { appId, appSecret } }, 'alice');
      // What the services' own variables say holds under npm start.
      expect(user.socketUrls.toSorted()).toEqual(told);
      const [, port] = /socket 1 +ws:\/\/0\.0\.0\.0:(\d+)/.exec(banner) as unknown as [string, string];
      const client = await RawClient.open(`ws://127.0.0.1:${port}`, user.accessToken);
      const welcome = await client.waitFor((f) => f.event?.welcome);
      const { tokenExpiresAtMs, serverTimeMs } = welcome.event.welcome;
      expect(tokenExpiresAtMs - serverTimeMs).toBeLessThanOrEqual(7 * 60_000);
      const group = { kind: 'CONVERSATION_KIND_GROUP', clientRef: 'g', title: 'g' };
      const { conversationId } = (await client.ask({ createConversation: group })).conversation.conversation;
      const answers = await Promise.all(
        ['one', 'two', 'three'].map((text) =>
          client.ask({ sendMessage: { conversationId, clientMsgId: text, content: { text } } }),
        ),
      );
      expect(answers.map((answer) => answer.error?.reason)).toEqual([
        undefined,
        undefined,
        'ERROR_REASON_RATE_LIMITED',
      ]);
      await client.close();
    });

    test('the development app of an earlier start lets nobody in', async () => {
      const env = await readFile(join(folder, 'production/dev.env'), 'utf8');
      const appSecret = /^CAAS_APP_SECRET=(.+)$/m.exec(env)?.[1] as string;
      await expect(signIn({ gatewayUrl, app: { appId: 'dev-app', appSecret } }, 'eve')).rejects.toThrow(/401/);
    });
  });
});
