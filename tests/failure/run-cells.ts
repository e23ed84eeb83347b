import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Options } from './options.ts';
import { keep, lineOf, type Result } from './report.ts';
import { runCell } from './run-cell.ts';
import { startWorld, type World } from './world.ts';

export const dir = '.cache/failure';
/** Where this process keeps engines and services. */
export const worldDir = join(dir, 'worlds', String(process.pid));

type Say = (line: string) => void;

/** Keeps what a broken promise left: histories, logs of the services. */
const tell = async (result: Result, histories: string, say: Say): Promise<void> => {
  for (const { broken, what } of result.violations) say(`    ${broken}: ${what}`);
  await cp(join(worldDir, 'services/logs'), join(histories, 'logs'), { recursive: true });
  say(`    histories: ${histories}; again: npm run test:failure -- --cell ${result.cell} --seed ${result.seed}`);
};

/** Runs cells one after the other on one world, and on a new one after a broken promise. */
export const runCells = async (
  { chosen, seeds, rate, minAccepted }: Options,
  say: Say,
  signal: AbortSignal,
): Promise<Result[]> => {
  const results: Result[] = [];
  let world: World | undefined;
  try {
    for (const seed of seeds)
      for (const { name, fault } of chosen) {
        if (signal.aborted) return results;
        world ??= await startWorld({ dir: worldDir, say });
        const target = world;
        const histories = join(dir, 'histories', `${name}-${seed}`);
        const run = { name, seed, target, dir: histories, rate, minAccepted };
        const result = await runCell({ ...run, fault: (chance, scene) => fault(target, chance, scene) });
        say(lineOf(result));
        await keep(result);
        results.push(result);
        if (result.violations.length === 0) await rm(histories, { recursive: true });
        else {
          // What it has left behind is not the next cell's.
          world = undefined;
          await target.stop();
          await tell(result, histories, say);
        }
      }
  } finally {
    await world?.stop();
    await rm(worldDir, { recursive: true, force: true });
  }
  return results;
};
