import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { summarise } from '../profile.ts';
import type { ServerProcess } from './server-process.ts';

const profileFolder = join(import.meta.dirname, '../../.cache/profiles');

/** Profiles the server's main thread while `work` runs; the top functions, and where the profile lies. */
export const profiled = async (server: ServerProcess, name: string, work: () => Promise<unknown>): Promise<string> => {
  mkdirSync(profileFolder, { recursive: true });
  await server.profile();
  await work();
  const file = await server.profiled(join(profileFolder, `${name}.cpuprofile`));
  return `profile ${file}\n${summarise(file)}`;
};
