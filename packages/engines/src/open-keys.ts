import { type KeyStore, openSqliteKeyStore } from '@caas/key-store';
import { type KeyVault, openSealedFileKeyVault, type SealedFileOptions } from '@caas/key-vault';
import type { Logger } from '@caas/kit';
import { told } from './open.ts';
import type { EngineSettings } from './settings.ts';

export const openKeys = async ({ mongo }: EngineSettings, file: string): Promise<KeyStore> => {
  if (mongo === undefined) return openSqliteKeyStore({ file });
  const { openMongoKeyStore } = await import('@caas/key-store/mongo');
  return told('MONGODB_URL', openMongoKeyStore(mongo));
};

/** Root keys in a vault where one is named, whatever the other engines are: a machine of its own may keep the sealed file. */
export const openVault = async (
  { vault }: EngineSettings,
  sealed: SealedFileOptions,
  logger: Logger,
): Promise<KeyVault> => {
  if (vault === undefined) return openSealedFileKeyVault(sealed);
  const { openTransitKeyVault } = await import('@caas/key-vault/transit');
  const onFault = (err: unknown): void => logger.warn({ err }, 'the token of the vault is not renewed');
  return told('VAULT_URL', openTransitKeyVault({ ...vault, onFault }));
};
