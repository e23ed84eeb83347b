import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError } from '@caas/kit/config';
import { afterAll, expect, test } from '@jest/globals';
import { hashKeyOf, readDevelopmentSecret, writeDevelopmentEnv } from './secrets.ts';

const root = await mkdtemp(join(tmpdir(), 'platform-secrets-'));
afterAll(() => rm(root, { recursive: true, force: true }));
const modeOf = async (file: string): Promise<number> => (await stat(file)).mode & 0o777;

test('first starts at once agree on one hash key, its owner alone reads it, and it stays', async () => {
  const folder = join(root, 'first');
  const keys = await Promise.all(Array.from({ length: 8 }, () => hashKeyOf(folder)));
  expect(new Set(keys).size).toBe(1);
  expect(keys[0]?.length).toBeGreaterThanOrEqual(16);
  expect(await readdir(join(folder, 'keys'))).toEqual(['hash.key']);
  expect(await modeOf(join(folder, 'keys', 'hash.key'))).toBe(0o600);
  expect(await hashKeyOf(folder)).toBe(keys[0]);
});

test('an empty or short hash key is refused, not used and not replaced', async () => {
  const folder = join(root, 'short');
  const file = join(folder, 'keys', 'hash.key');
  await mkdir(join(folder, 'keys'), { recursive: true });
  for (const text of ['', '\n', 'short']) {
    await writeFile(file, text, { mode: 0o600 });
    await expect(hashKeyOf(folder)).rejects.toThrow(ConfigError);
    expect(await readFile(file, 'utf8')).toBe(text);
  }
});

test('a hash key that others may read is refused, as the root key is', async () => {
  const folder = join(root, 'open');
  await hashKeyOf(folder);
  await chmod(join(folder, 'keys', 'hash.key'), 0o666);
  await expect(hashKeyOf(folder)).rejects.toThrow('is open to other users: chmod 600');
});

test('dev.env is its owner’s alone, also where it was open before', async () => {
  const folder = join(root, 'dev');
  await mkdir(folder);
  const file = join(folder, 'dev.env');
  await writeFile(file, 'CAAS_APP_SECRET=old\n');
  await chmod(file, 0o644);
  expect(await readDevelopmentSecret(folder)).toBe('old');
  await writeDevelopmentEnv(folder, { appId: 'app', appSecret: 'new' }, 'http://127.0.0.1:1');
  expect(await modeOf(file)).toBe(0o600);
  expect(await readDevelopmentSecret(folder)).toBe('new');
  // The same again touches nothing: a start needs no room on the disk.
  const { ino, mtimeMs } = await stat(file);
  await writeDevelopmentEnv(folder, { appId: 'app', appSecret: 'new' }, 'http://127.0.0.1:1');
  expect(await stat(file)).toMatchObject({ ino, mtimeMs });
});
