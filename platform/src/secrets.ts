import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { newSecret } from '@caas/kit';

/** Reads a secret file, or makes it with mode 0600; concurrent first starts agree on one. */
const keptSecret = async (file: string, make: () => string): Promise<string> => {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  try {
    await writeFile(file, make(), { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return (await readFile(file, 'utf8')).trim();
};

/** Key of content hashes: must outlive restarts, or retries over a restart would look like conflicts. */
export const hashKeyOf = (dataDir: string): Promise<string> => keptSecret(join(dataDir, 'keys', 'hash.key'), newSecret);

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
  await writeFile(devEnvFile(dataDir), text, { mode: 0o600 });
};
