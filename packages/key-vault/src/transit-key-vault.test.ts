import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newAuthority } from '@caas/kit/testing/certificates';
import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import { keyVaultContract } from './contract.ts';
import { TransitServer } from './testing/transit-server.ts';
import { openTransitKeyVault, type TransitOptions } from './transit-key-vault.ts';

const folder = await mkdtemp(join(tmpdir(), 'transit-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  const deadline = Date.now() + 10_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error('it did not happen within 10 s');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};

const shared = new TransitServer();
shared.issue('token-of-the-suite');
const sharedPort = await shared.listen();
afterAll(() => shared.close());

keyVaultContract('the Transit API', async () => {
  const open = () => openTransitKeyVault({ url: `http://127.0.0.1:${sharedPort}`, token: 'token-of-the-suite' });
  const vault = await open();
  return {
    vault,
    another: open,
    reopen: async () => {
      await vault.close();
      return open();
    },
  };
});

describe('a vault over the Transit API', () => {
  const closing: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });
  const serve = async (tls?: { key: Buffer; cert: Buffer }) => {
    const server = new TransitServer(tls);
    server.issue('good');
    const port = await server.listen();
    closing.push(() => server.close());
    return { server, url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`, port };
  };
  const open = async (options: TransitOptions) => {
    const vault = await openTransitKeyVault(options);
    closing.push(() => vault.close());
    return vault;
  };

  test('that does not know the token, or whose key does not hold contexts apart, is refused at the start', async () => {
    const { server, url } = await serve();
    await expect(open({ url, token: 'stolen' })).rejects.toThrow(/does not know its token/);
    server.keys.set('plain', { derived: false, versions: [Buffer.alloc(32, 1)] });
    await expect(open({ url, token: 'good', key: 'plain' })).rejects.toThrow(/is not derived/);
    await expect(open({ url, token: 'good', mount: 'elsewhere' })).rejects.toThrow(/make it, derived/);
  });

  test('that is away is UNAVAILABLE within its time, and serves again when it is back', async () => {
    const { server, url, port } = await serve();
    const vault = await open({ url, token: 'good', timeoutMs: 300 });
    const key = await vault.wrap('t', Buffer.from('k'));
    for (const status of [503, 500, 429, 403]) {
      server.refusing = status;
      await expect(vault.unwrap('t', key)).rejects.toMatchObject({ reason: 'UNAVAILABLE', retryable: true });
    }
    server.refusing = 0;
    const { keys } = server;
    await server.close();
    const startedAt = performance.now();
    await expect(vault.unwrap('t', key)).rejects.toMatchObject({ reason: 'UNAVAILABLE' });
    expect(performance.now() - startedAt).toBeLessThan(3_000);
    const back = new TransitServer();
    back.issue('good');
    for (const [name, value] of keys) back.keys.set(name, value);
    await back.listen(port);
    closing.push(() => back.close());
    expect(Buffer.from(await vault.unwrap('t', key)).toString()).toBe('k');
  });

  test('that answers nothing is given up after its time', async () => {
    const { createServer } = await import('node:net');
    const sockets: { destroy(): unknown }[] = [];
    const silent = createServer((socket) => void sockets.push(socket)).listen(0, '127.0.0.1');
    await new Promise((resolve) => silent.once('listening', resolve));
    closing.push(async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => silent.close(resolve));
    });
    const { port } = silent.address() as { port: number };
    const startedAt = performance.now();
    const opening = open({ url: `http://127.0.0.1:${port}`, token: 'good', timeoutMs: 200 });
    await expect(opening).rejects.toMatchObject({ reason: 'UNAVAILABLE' });
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });

  test('keeps its token alive, and goes on trying while that fails', async () => {
    const { server, url } = await serve();
    server.tokenSeconds = 2;
    server.issue('good');
    const faults: unknown[] = [];
    const vault = await open({ url, token: 'good', onFault: (error) => faults.push(error) });
    const renewals = (): number => server.calls.filter((path) => path === 'auth/token/renew-self').length;
    await until(() => renewals() >= 2);
    expect(faults).toEqual([]);
    server.refusing = 503;
    await until(() => faults.length > 0);
    server.refusing = 0;
    const before = renewals();
    await until(() => renewals() > before);
    expect((await vault.wrap('t', Buffer.from('k'))).length).toBeGreaterThan(0);
  });

  test('takes the token that has replaced another in its file', async () => {
    const { server, url } = await serve();
    const tokenFile = join(folder, 'token');
    await writeFile(tokenFile, 'good\n');
    const vault = await open({ url, tokenFile });
    server.tokens.delete('good');
    await expect(vault.wrap('t', Buffer.from('k'))).rejects.toMatchObject({ reason: 'UNAVAILABLE' });
    server.issue('newer');
    await writeFile(tokenFile, 'newer\n');
    expect((await vault.wrap('t', Buffer.from('k'))).length).toBeGreaterThan(0);
    await expect(open({ url, tokenFile: join(folder, 'none') })).rejects.toThrow(/token can't be read/);
  });

  test('is reached by TLS, and only where its certificate is of the authority', async () => {
    const authority = newAuthority();
    authority.issue(folder, 'vault', { dnsNames: ['localhost'] });
    const tls = { key: readFileSync(join(folder, 'vault.key')), cert: readFileSync(join(folder, 'vault.pem')) };
    const { port } = await serve(tls);
    const url = `https://localhost:${port}`;
    const vault = await open({ url, token: 'good', ca: readFileSync(authority.caFile) });
    const key = await vault.wrap('t', Buffer.from('k'));
    expect(Buffer.from(await vault.unwrap('t', key)).toString()).toBe('k');
    await expect(open({ url, token: 'good' })).rejects.toMatchObject({ reason: 'UNAVAILABLE' });
    const stranger = newAuthority();
    await expect(open({ url, token: 'good', ca: readFileSync(stranger.caFile) })).rejects.toMatchObject({
      reason: 'UNAVAILABLE',
    });
  });
});
