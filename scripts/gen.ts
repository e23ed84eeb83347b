/**
 * Regenerates gen/ from proto/: TypeScript, and the descriptor image that rules and gRPC reflection read; then adds to the
 * promised contract (proto/baseline.binpb) what is new. What breaks it is refused, unless `--accept-contract` is given.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { baselinePath, buildContract, contractBreaks } from './contract-changes.ts';
import { runTool } from './run-step.ts';

const buf = async (...args: string[]): Promise<void> => {
  const { ok, output } = await runTool('buf', ...args);
  if (!ok) throw new Error(`buf ${args[0]} failed\n${output}`);
};

/** What the generators own inside gen/; everything else there is written by hand. */
const owned = ['ts/caas', 'ts/google', 'ts/grpc', 'descriptor'];

const filesUnder = (root: string): string[] =>
  owned.flatMap((dir) => {
    try {
      return readdirSync(join(root, dir), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  });

const same = (a: string, b: string): boolean => {
  try {
    return readFileSync(a).equals(readFileSync(b));
  } catch {
    return false;
  }
};

/** Generates into `scratch` and returns what differs from gen/, as paths inside gen/. */
export const generate = async (scratch: string): Promise<{ changed: string[]; stale: string[] }> => {
  rmSync(scratch, { recursive: true, force: true });
  mkdirSync(join(scratch, 'gen/descriptor'), { recursive: true });
  await buf('generate', '-o', scratch);
  await buf(
    'build',
    '--as-file-descriptor-set',
    '--exclude-source-info',
    '-o',
    join(scratch, 'gen/descriptor/caas.binpb'),
  );
  const fresh = filesUnder(join(scratch, 'gen'));
  return {
    changed: fresh.filter((file) => !same(join(scratch, 'gen', file), join('gen', file))),
    stale: filesUnder('gen').filter((file) => !fresh.includes(file)),
  };
};

if (import.meta.main) {
  const scratch = join('.cache', `gen-${process.pid}`);
  // Only when all of it was generated does gen/ change: a broken proto leaves the last good code in place.
  const { changed, stale } = await generate(scratch);
  for (const file of changed) {
    mkdirSync(dirname(join('gen', file)), { recursive: true });
    cpSync(join(scratch, 'gen', file), join('gen', file));
  }
  for (const file of stale) rmSync(join('gen', file));
  rmSync(scratch, { recursive: true, force: true });
  process.stdout.write(`gen/: ${changed.length} changed, ${stale.length} removed\n`);
  const breaks = process.argv.includes('--accept-contract') ? undefined : await contractBreaks();
  const promised = breaks?.ok === false ? breaks : await buildContract(baselinePath);
  if (!promised.ok) {
    process.stdout.write(`${promised.output}\nThe contract is broken for whoever relies on it: see CONTRIBUTING.md\n`);
    process.exitCode = 1;
  }
}
