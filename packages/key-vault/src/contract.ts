/** What every adapter of the key vault has to do. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type KeyVault, maxWrappedKeyBytes } from './port.ts';

export interface KeyVaultUnderTest {
  vault: KeyVault;
  /** A second process's view of the same root keys. */
  another(): Promise<KeyVault>;
  /** Closes the vault and opens the same one again. */
  reopen(): Promise<KeyVault>;
}

export const keyVaultContract = (name: string, open: () => Promise<KeyVaultUnderTest>): void => {
  describe(`key vault on ${name}`, () => {
    let under: KeyVaultUnderTest;
    let vault: KeyVault;
    beforeAll(async () => {
      under = await open();
      vault = under.vault;
    });
    afterAll(() => vault.close());

    const opened = async (by: KeyVault, context: string, wrapped: Uint8Array): Promise<string> =>
      Buffer.from(await by.unwrap(context, wrapped)).toString('hex');

    test('opens what it wrapped for the same context, and wraps each time differently', async () => {
      const key = randomBytes(32);
      const [one, two] = await Promise.all([vault.wrap('tenant-1', key), vault.wrap('tenant-1', key)]);
      expect(Buffer.from(one)).not.toEqual(Buffer.from(two));
      expect(Buffer.from(one).includes(key)).toBe(false);
      for (const wrapped of [one, two]) expect(await opened(vault, 'tenant-1', wrapped)).toBe(key.toString('hex'));
      const large = randomBytes(maxWrappedKeyBytes);
      expect(await opened(vault, 't', await vault.wrap('t', large))).toBe(large.toString('hex'));
      await expect(vault.wrap('t', randomBytes(maxWrappedKeyBytes + 1))).rejects.toMatchObject({
        reason: 'INVALID_ARGUMENT',
      });
    });

    test('opens nothing for another context, changed, cut, or of another vault', async () => {
      const wrapped = await vault.wrap('tenant-1', randomBytes(32));
      const changed = Uint8Array.from(wrapped);
      // In base64 the last characters may carry no bits, or be padding.
      const at = changed.length - 8;
      changed[at] = changed[at] === 65 ? 66 : 65;
      const nonsense = Buffer.from([0, 0, 1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17]);
      const results = await Promise.allSettled([
        vault.unwrap('tenant-2', wrapped),
        vault.rewrap('tenant-2', wrapped),
        vault.unwrap('tenant-1', changed),
        vault.unwrap('tenant-1', wrapped.subarray(0, wrapped.length - 8)),
        vault.unwrap('tenant-1', new Uint8Array(0)),
        vault.unwrap('tenant-1', Buffer.from('vault:v1:')),
        vault.unwrap('tenant-1', nonsense),
      ]);
      for (const result of results)
        expect(result).toMatchObject({ status: 'rejected', reason: { reason: 'INTERNAL' } });
    });

    test('gives keys out in bytes of their own: overwriting them changes no other', async () => {
      const wrapped = await vault.wrap('t', Buffer.alloc(32, 7));
      const [one, two] = await Promise.all([vault.unwrap('t', wrapped), vault.unwrap('t', wrapped)]);
      expect(one.buffer).not.toBe(two.buffer);
      one.fill(0);
      expect(Buffer.from(two)).toEqual(Buffer.alloc(32, 7));
    });

    test('wraps under the newest root key after a rotation, opens what earlier ones wrapped, and brings it under the newest', async () => {
      const key = randomBytes(32);
      const early = await vault.wrap('tenant-1', key);
      const before = vault.versionOf(early);
      expect(await vault.rotate()).toBe(before + 1);
      const late = await vault.wrap('tenant-1', key);
      expect(vault.versionOf(late)).toBe(before + 1);
      const moved = await vault.rewrap('tenant-1', early);
      expect(vault.versionOf(moved)).toBe(before + 1);
      for (const wrapped of [early, late, moved])
        expect(await opened(vault, 'tenant-1', wrapped)).toBe(key.toString('hex'));
    });

    test('is one vault to several processes, rotated by any', async () => {
      const other = await under.another();
      const key = randomBytes(32);
      const [mine, theirs] = [await vault.wrap('t', key), await other.wrap('t', key)];
      expect(await opened(vault, 't', theirs)).toBe(key.toString('hex'));
      const version = await other.rotate();
      const newer = await other.wrap('t', key);
      expect(await opened(vault, 't', newer)).toBe(key.toString('hex'));
      expect(await opened(other, 't', mine)).toBe(key.toString('hex'));
      expect(await vault.rotate()).toBe(version + 1);
      expect(await opened(other, 't', await vault.wrap('t', key))).toBe(key.toString('hex'));
      await other.close();
    });

    test('knows its root keys after it was closed', async () => {
      const key = randomBytes(32);
      const early = await vault.wrap('t', key);
      await vault.rotate();
      const late = await vault.wrap('t', key);
      vault = await under.reopen();
      for (const wrapped of [early, late]) expect(await opened(vault, 't', wrapped)).toBe(key.toString('hex'));
      expect(vault.versionOf(await vault.wrap('t', key))).toBe(vault.versionOf(late));
    });
  });
};
