import { join } from 'node:path';
import { type KeyStore, openSqliteKeyStore } from '@caas/key-store';
import { type KeyVault, openSealedFileKeyVault } from '@caas/key-vault';

/** Where crypto's keys are in the data folder: wrapped ones in a database, the root keys in a sealed file beside auth's. */
export const openKeyEngines = async (
  dataDir: string,
  vaultPassphrase: string | undefined,
): Promise<{ keys: KeyStore; vault: KeyVault }> => {
  const [keys, vault] = await Promise.all([
    openSqliteKeyStore({ file: join(dataDir, 'keys.db') }),
    openSealedFileKeyVault({ file: join(dataDir, 'keys', 'vault.json'), passphrase: vaultPassphrase }),
  ]);
  return { keys, vault };
};
