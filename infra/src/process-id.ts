import { readFile, rm, writeFile } from 'node:fs/promises';
import { runCommand } from './command.ts';

/** A process beyond doubt: its number alone may have been given to another one since. */
export interface ProcessId {
  pid: number;
  /** When it began, in words that no later process of this number has, over a restart of the machine neither. */
  since: string;
}

const linuxStart = async (pid: number): Promise<string> => {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The name, in brackets, may hold blanks and brackets; of what follows it the 1st is the state, the 20th the start (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, start] = [fields[0], fields[19]];
  if (state === 'Z') throw new Error('it has ended, and its parent has not looked yet');
  return `${(await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()}/${start}`;
};

/** When the process with this number began; undefined when there is none. */
export const startOf = async (pid: number): Promise<string | undefined> => {
  if (process.platform === 'linux') return linuxStart(pid).catch(() => undefined);
  const output = await runCommand('ps', ['-o', 'lstart=', '-p', String(pid)]).catch(() => '');
  return output.trim() || undefined;
};

export const isAlive = async ({ pid, since }: ProcessId): Promise<boolean> => (await startOf(pid)) === since;

export const writeProcessId = async (file: string, pid: number): Promise<void> => {
  const since = await startOf(pid);
  if (since !== undefined) await writeFile(file, JSON.stringify({ pid, since }));
};

export const readProcessId = async (file: string): Promise<ProcessId | undefined> => {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as ProcessId;
  } catch {
    return undefined;
  }
};

export const forgetProcessId = (file: string): Promise<void> => rm(file, { force: true });

/** Sends a signal to a process group; one that is gone is no fault. */
export const signalGroup = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(-pid, signal);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ESRCH') throw thrown;
  }
};
