import { existsSync } from 'node:fs';
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cell } from './cells.ts';
import { startEmbedded } from './embedded.ts';
import type { Options } from './options.ts';
import { keep, lineOf, type Result, unbegun } from './report.ts';
import { type CellRun, runCell } from './run-cell.ts';
import { startWorld, type World, type WorldOptions } from './world.ts';

export const dir = '.cache/failure';
/** Where this process keeps engines and services. */
export const worldDir = join(dir, 'worlds', String(process.pid));

type Say = (line: string) => void;

/** Keeps what a broken promise left: histories, logs of the services. */
const tell = async (result: Result, histories: string, say: Say): Promise<void> => {
  for (const { broken, what } of result.violations) say(`    ${broken}: ${what}`);
  const logs = join(worldDir, 'services/logs');
  if (existsSync(logs)) await cp(logs, join(histories, 'logs'), { recursive: true });
  say(`    histories: ${histories}; again: npm run test:failure -- --cell ${result.cell} --seed ${result.seed}`);
};

/** Runs cells one after the other on one world, and on a new one after a broken promise. */
export const runCells = async (options: Options, say: Say, signal: AbortSignal): Promise<Result[]> => {
  const results: Result[] = [];
  let world: World | undefined;
  try {
    for (const seed of options.seeds)
      for (const cell of options.chosen) {
        if (signal.aborted) return results;
        if (cell.on === 'engines')
          world = await worldFor(cell, world, { dir: worldDir, install: options.install, say });
        const histories = join(dir, 'histories', `${cell.name}-${seed}`);
        const result = await runOne(cell, world, { seed, dir: histories, ...options }).catch((thrown: unknown) =>
          unbegun(cell.name, seed, thrown),
        );
        say(lineOf(result));
        await keep(result);
        results.push(result);
        if (result.violations.length === 0) await rm(histories, { recursive: true });
        else {
          // What it has left behind is not the next cell's.
          await world?.stop();
          world = undefined;
          await tell(result, histories, say);
        }
      }
  } finally {
    await world?.stop();
    await rm(worldDir, { recursive: true, force: true });
  }
  return results;
};

/** The world there is, or another one where the cell needs more or less than it has. */
const worldFor = async (
  { searches }: Extract<Cell, { on: 'engines' }>,
  world: World | undefined,
  options: WorldOptions,
): Promise<World> => {
  if (world?.searches === searches) return world;
  await world?.stop();
  return startWorld({ ...options, searches });
};

type Settings = Pick<CellRun, 'seed' | 'dir' | 'rate' | 'minAccepted'>;

const runOne = async (cell: Cell, world: World | undefined, settings: Settings): Promise<Result> => {
  const { name } = cell;
  if (cell.on === 'engines') {
    const target = world as World;
    return runCell({ ...settings, name, target, fault: (chance, scene) => cell.fault(target, chance, scene) });
  }
  const target = await startEmbedded(join(worldDir, 'embedded'));
  try {
    return await runCell({ ...settings, name, target, fault: (chance) => cell.fault(target, chance) });
  } finally {
    await target.stop();
  }
};
