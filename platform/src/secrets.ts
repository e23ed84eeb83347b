import { mkdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { newSecret } from '@caas/kit';
import { ConfigError } from '@caas/kit/config';
import { createWhole, replaceWhole } from '@caas/kit/files';

/** Least length of a key of content hashes, in bytes. */
const minHashKeyBytes = 16;

const exists = async (file: string): Promise<boolean> => (await stat(file).catch(() => undefined)) !== undefined;

/**
 * Key of content hashes, made at the first start; concurrent first starts agree on one. It must outlive restarts, or retries
 * over a restart would look like conflicts; so one that is there and too short is not replaced: a ConfigError.
 */
export const hashKeyOf = async (dataDir: string): Promise<string> => {
  const file = join(dataDir, 'keys', 'hash.key');
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  if (!(await exists(file))) await createWhole(file, newSecret());
  if (((await stat(file)).mode & 0o077) !== 0)
    throw new ConfigError(`${file} is open to other users: chmod 600 ${file}`);
  const key = (await readFile(file, 'utf8')).trim();
  if (Buffer.byteLength(key) < minHashKeyBytes)
    throw new ConfigError(
      `${file} does not hold a key of ${minHashKeyBytes} bytes: restore it, or remove it and a new one is made; with that, sends from before that are tried again look like conflicts.`,
    );
  return key;
};

export interface DevelopmentEnv {
  appId: string;
  appSecret: string;
}

const devEnvFile = (dataDir: string): string => join(dataDir, 'dev.env');

/** The development app's secret, kept from start to start in dev.env; undefined before the first. */
export const readDevelopmentSecret = async (dataDir: string): Promise<string | undefined> => {
  const text = await readFile(devEnvFile(dataDir), 'utf8').catch(() => '');
  return /^CAAS_APP_SECRET=(.+)$/m.exec(text)?.[1];
};

/** Writes what a developer's shell needs; `set -a; . data/dev.env` reads it. */
export const writeDevelopmentEnv = async (dataDir: string, env: DevelopmentEnv, gatewayUrl: string): Promise<void> => {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const text = `CAAS_APP_ID=${env.appId}\nCAAS_APP_SECRET=${env.appSecret}\nCAAS_GATEWAY_URL=${gatewayUrl}\n`;
  const file = devEnvFile(dataDir);
  const { mode } = (await stat(file).catch(() => undefined)) ?? { mode: 0 };
  // What is there already is left as it is: a start on a full disk needs no room.
  if ((mode & 0o777) === 0o600 && (await readFile(file, 'utf8')) === text) return;
  await replaceWhole(file, text);
};
