import { fork } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { keyVaultContract } from './contract.ts';
import { openSealedFileKeyVault } from './index.ts';

const folder = await mkdtemp(join(tmpdir(), 'key-vault-'));
afterAll(() => rm(folder, { recursive: true, force: true }));
let counter = 0;
const newFile = (): string => join(folder, `v${++counter}`, 'vault.json');
const passphrase = 'a passphrase of an operator';

for (const [name, secret] of [
  ['a file and its key file', undefined],
  ['a file and a passphrase', passphrase],
] as const) {
  const file = newFile();
  const open = () => openSealedFileKeyVault({ file, passphrase: secret });
  keyVaultContract(name, async () => {
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
}

const wrapped = async (file: string, secret?: string): Promise<Uint8Array> =>
  (await openSealedFileKeyVault({ file, passphrase: secret })).wrap('t', Buffer.from('a key'));
const unwrapped = async (file: string, value: Uint8Array, secret?: string): Promise<string> =>
  Buffer.from(await (await openSealedFileKeyVault({ file, passphrase: secret })).unwrap('t', value)).toString();

describe('a sealed file', () => {
  test('is its owner’s alone, and refused when others may read it', async () => {
    const file = newFile();
    const key = await wrapped(file);
    for (const each of [file, `${file}.key`]) {
      expect((await stat(each)).mode & 0o777).toBe(0o600);
      await chmod(each, 0o640);
      await expect(unwrapped(file, key)).rejects.toThrow(/open to other users: chmod 600/);
      await chmod(each, 0o600);
    }
    expect(await unwrapped(file, key)).toBe('a key');
  });

  test('says what is missing or wrong', async () => {
    const file = newFile();
    await wrapped(file, passphrase);
    await expect(wrapped(file)).rejects.toThrow(/set CAAS_VAULT_PASSPHRASE/);
    await expect(wrapped(file, 'another passphrase')).rejects.toThrow(/does not open with this passphrase/);
    const other = newFile();
    await wrapped(other);
    await rm(`${other}.key`);
    await expect(wrapped(other)).rejects.toThrow(/is not there: restore it/);
    await writeFile(other, 'half a fi');
    await expect(wrapped(other)).rejects.toThrow(/not a vault/);
  });

  test('given a passphrase is sealed by it from then on, and its key file goes', async () => {
    const file = newFile();
    const key = await wrapped(file);
    const before = await readFile(file, 'utf8');
    expect(await unwrapped(file, key, passphrase)).toBe('a key');
    expect(await readFile(file, 'utf8')).not.toBe(before);
    expect(await readdir(join(file, '..'))).toEqual(['vault.json']);
    expect(await unwrapped(file, key, passphrase)).toBe('a key');
    await expect(unwrapped(file, key)).rejects.toThrow(/CAAS_VAULT_PASSPHRASE/);
  });

  test('is made once by processes that start together', async () => {
    const file = newFile();
    const vaults = await Promise.all([1, 2, 3].map(() => openSealedFileKeyVault({ file })));
    const key = (await vaults[0]?.wrap('t', Buffer.from('k'))) as Uint8Array;
    for (const vault of vaults) expect(Buffer.from(await vault.unwrap('t', key)).toString()).toBe('k');
  });

  test('is changed by one process at a time, and by the next when that one was killed', async () => {
    const file = newFile();
    const vault = await openSealedFileKeyVault({ file });
    await writeFile(`${file}.lock`, '');
    await expect(vault.rotate()).rejects.toMatchObject({ reason: 'UNAVAILABLE' });
    const longAgo = new Date(Date.now() - 60_000);
    await utimes(`${file}.lock`, longAgo, longAgo);
    expect(await vault.rotate()).toBe(2);
  });

  test('survives kill -9 in the middle of rotations: every key that was wrapped opens', async () => {
    const file = newFile();
    const program = join(import.meta.dirname, 'testing/rotating-process.ts');
    for (let round = 0; round < 6; round += 1) {
      const child = fork(program, [file], {
        execArgv: ['--disable-warning=ExperimentalWarning'],
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      });
      const keys: string[] = [];
      child.on('message', (key: string) => {
        keys.push(key);
        // At another moment each round.
        if (keys.length === 1 + round) child.kill('SIGKILL');
      });
      await once(child, 'exit');
      expect(keys.length).toBeGreaterThan(round);
      await rm(`${file}.lock`, { force: true });
      const vault = await openSealedFileKeyVault({ file });
      for (const key of keys)
        expect(Buffer.from(await vault.unwrap('t', Buffer.from(key, 'base64'))).toString()).toBe('a key');
    }
  }, 60_000);
});
