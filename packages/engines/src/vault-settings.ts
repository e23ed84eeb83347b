import { readFileSync } from 'node:fs';
import type { TransitOptions } from '@caas/key-vault';
import * as settings from '@caas/kit/config';
import { ConfigError } from '@caas/kit/config';
import type { z } from 'zod';

/** Variables that name a vault, for the service whose root keys are in it. */
export const vaultVariables = {
  /** Vault, OpenBao, or what speaks their Transit API. */
  VAULT_URL: settings.url('http', 'https').optional(),
  VAULT_TOKEN: settings.text().optional(),
  /** Read anew at every renewal: for an agent that replaces it. */
  VAULT_TOKEN_FILE: settings.text().optional(),
  VAULT_NAMESPACE: settings.text().optional(),
  VAULT_TRANSIT_MOUNT: settings.text().default('transit'),
  VAULT_TRANSIT_KEY: settings.text().default('caas'),
  /** PEM of the authority of the vault's certificate; default the machine's. */
  VAULT_CA_FILE: settings.text().optional(),
};

export type VaultSettings = TransitOptions;

/** The vault that the variables name; undefined: none. */
export const vaultOf = (env: z.output<z.ZodObject<typeof vaultVariables>>): VaultSettings | undefined => {
  if (env.VAULT_URL === undefined) return undefined;
  if ((env.VAULT_TOKEN === undefined) === (env.VAULT_TOKEN_FILE === undefined))
    throw new ConfigError('VAULT_URL is set: then one of VAULT_TOKEN and VAULT_TOKEN_FILE is needed');
  return {
    url: env.VAULT_URL,
    token: env.VAULT_TOKEN,
    tokenFile: env.VAULT_TOKEN_FILE,
    namespace: env.VAULT_NAMESPACE,
    mount: env.VAULT_TRANSIT_MOUNT,
    key: env.VAULT_TRANSIT_KEY,
    ca: env.VAULT_CA_FILE === undefined ? undefined : authorityIn(env.VAULT_CA_FILE),
  };
};

const authorityIn = (file: string): Buffer => {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new ConfigError(`VAULT_CA_FILE=${file} can't be read: ${(cause as Error).message}`);
  }
};
