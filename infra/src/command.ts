import { spawn } from 'node:child_process';
import { stripVTControlCharacters } from 'node:util';

/** Runs a program to its end and answers what it printed; throws with that when it fails. `env` adds to this process's. */
export const runCommand = (
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) resolve(output);
      else reject(new Error(`${command} ${args.join(' ')} ended with ${signal ?? code}:\n${output.slice(-4_000)}`));
    });
  });

/** True when the program runs and its version, the first number it prints, is in the range. */
export const hasVersion = async (
  command: string,
  args: readonly string[],
  { from, below = Number.POSITIVE_INFINITY }: { from: number; below?: number },
): Promise<boolean> => {
  const output = await runCommand(command, args).catch(() => '');
  const version = Number.parseFloat(/\d+(\.\d+)?/.exec(stripVTControlCharacters(output))?.[0] ?? '');
  return version >= from && version < below;
};
