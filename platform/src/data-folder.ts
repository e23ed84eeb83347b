import { constants } from 'node:fs';
import { access, mkdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { ConfigError } from '@caas/kit/config';

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

const isFolder = async (path: string): Promise<boolean> =>
  (await stat(path).catch(() => undefined))?.isDirectory() ?? false;

/** Level by level: `recursive` of mkdir never returns where a folder exists that nothing can be made in, as /proc. */
const makeFolder = async (path: string): Promise<void> => {
  if (await isFolder(path)) return;
  const parent = dirname(path);
  if (parent !== path) await makeFolder(parent);
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    // Made by another one meanwhile is made.
    if (codeOf(error) !== 'EEXIST' || !(await isFolder(path))) throw error;
  }
};

const why: Readonly<Record<string, string>> = {
  EEXIST: 'there is a file in its place',
  ENOTDIR: 'there is a file in its place',
  ENOENT: 'nothing can be made there',
  EROFS: 'the file system is read-only',
};

/** Makes the folder of all data, owner only, and its `keys`; throws a ConfigError that says why it can't be used. */
export const prepareDataFolder = async (dataDir: string): Promise<void> => {
  try {
    for (const path of [resolve(dataDir), join(resolve(dataDir), 'keys')]) {
      await makeFolder(path);
      await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
    }
  } catch (error) {
    const reason = why[codeOf(error) ?? ''] ?? 'it may not be written';
    throw new ConfigError(`the data folder ${dataDir} can't be used: ${reason}. Set CAAS_DATA to another one.`);
  }
};
