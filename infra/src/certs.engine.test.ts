import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { certificateNames, makeCertificates } from './certs.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'caas-certs-'));
  await makeCertificates(dir);
}, 60_000);
afterAll(() => rm(dir, { recursive: true, force: true }));

const identityOf = async (name: string, folder = dir) => ({
  ca: await readFile(join(folder, 'ca.pem')),
  cert: await readFile(join(folder, `${name}.pem`)),
  key: await readFile(join(folder, `${name}.key`)),
});

/** The name a server learns of who calls, and the fault the caller learns of. */
const handshake = async (server: string, caller: string, callerFolder = dir, expected = server) => {
  const listener = createServer({ ...(await identityOf(server)), requestCert: true, rejectUnauthorized: true });
  const seen = new Promise<string>((resolve, reject) => {
    listener.once('tlsClientError', reject);
    listener.once('secureConnection', (socket: TLSSocket) => {
      resolve(String(socket.getPeerCertificate().subject['CN']));
      socket.end();
    });
  });
  seen.catch(() => undefined);
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as { port: number };
  const client = connect({
    port,
    host: '127.0.0.1',
    servername: expected,
    ...(await identityOf(caller, callerFolder)),
  });
  try {
    const failed = new Promise<never>((_, reject) => client.once('error', reject));
    return await Promise.race([seen, failed]);
  } finally {
    client.destroy();
    await new Promise((resolve) => listener.close(resolve));
  }
};

test('each service has a certificate, and no key can be read by others', async () => {
  const files = (await readdir(dir)).toSorted();
  expect(files).toEqual(['ca.pem', ...certificateNames.flatMap((name) => [`${name}.key`, `${name}.pem`])].toSorted());
  for (const file of files.filter((name) => name.endsWith('.key')))
    expect((await stat(join(dir, file))).mode & 0o777).toBe(0o600);
});

test('a service proves its name to another, as a server and as a client', async () => {
  expect(await handshake('auth', 'gateway')).toBe('gateway');
  expect(await handshake('socket', 'persistence')).toBe('persistence');
});

test('a service is not taken for another one', async () => {
  await expect(handshake('auth', 'gateway', dir, 'socket')).rejects.toThrow(/altnames/);
});

test('certificates made anew are of another authority, and those of the old one count no more', async () => {
  const old = await mkdtemp(join(tmpdir(), 'caas-certs-'));
  try {
    await makeCertificates(old);
    const before = await readFile(join(old, 'ca.pem'), 'utf8');
    await makeCertificates(old);
    expect(await readFile(join(old, 'ca.pem'), 'utf8')).not.toBe(before);
    await expect(handshake('auth', 'gateway', old)).rejects.toThrow();
  } finally {
    await rm(old, { recursive: true, force: true });
  }
}, 60_000);
