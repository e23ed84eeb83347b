import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { parseEnv } from 'node:util';
import { replaceWhole } from '@caas/kit/files';
import { engineUsers, usersWithoutRedis } from './engine.ts';

/** What a system on engines needs in secrets: a password for each user, and what its services share. */
export const secretNames = [
  ...engineUsers
    .filter((user) => !usersWithoutRedis.includes(user))
    .map((user) => `REDIS_PASSWORD_${user.toUpperCase()}`),
  'CAAS_HASH_KEY',
  'CAAS_OPERATOR_TOKEN',
  'CAAS_VAULT_PASSPHRASE',
  'S3_SECRET_ACCESS_KEY',
];

/** The secrets of this file, of mode 0600, with those made that are not in it yet. */
export const secretsIn = async (file: string): Promise<Record<string, string>> => {
  const kept = existsSync(file) ? (parseEnv(await readFile(file, 'utf8')) as Record<string, string>) : {};
  const lacking = secretNames.filter((name) => !kept[name]);
  if (lacking.length === 0) return kept;
  for (const name of lacking) kept[name] = randomBytes(24).toString('base64url');
  await replaceWhole(file, envText(kept));
  return kept;
};

/** Variables as a file for --env-file. */
export const envText = (env: Readonly<Record<string, string>>): string =>
  Object.entries(env)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
