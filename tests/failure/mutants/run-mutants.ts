import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { cells } from '../cells.ts';
import type { Options } from '../options.ts';
import { lineOf, type Result } from '../report.ts';
import { runCell } from '../run-cell.ts';
import { dir, worldDir } from '../run-cells.ts';
import { startWorld } from '../world.ts';
import type { Mutant } from './table.ts';
import { mutantTree } from './tree.ts';

/** Seeds a mutant is tried with until one of them finds it: some faults show only when things fall out so. */
const maxTries = 4;
/** How long each step of recovery may take: a mutant may never recover, in milliseconds. */
const patienceMs = 20_000;

/** Broken promises that are told of a mutant. */
const maxShown = 3;

type Say = (line: string) => void;

const attempt = async (mutant: Mutant, root: string, seed: number, options: Options): Promise<Result> => {
  const cell = cells.find(({ name }) => name === mutant.cell);
  if (cell?.on !== 'engines') throw new Error(`there is no cell ${mutant.cell} on engines`);
  const target = await startWorld({ dir: worldDir, root, say: () => undefined });
  const histories = join(dir, 'mutants', mutant.name);
  try {
    const { rate, minAccepted } = options;
    const run = { name: cell.name, seed, target, dir: histories, rate, minAccepted, patienceMs };
    return await runCell({ ...run, fault: (chance, scene) => cell.fault(target, chance, scene) });
  } finally {
    await target.stop();
    await rm(worldDir, { recursive: true, force: true });
  }
};

/** Runs each mutant with its cell until it is caught; answers how many were not. */
export const runMutants = async (
  mutants: readonly Mutant[],
  options: Options,
  say: Say,
  signal: AbortSignal,
): Promise<number> => {
  let missed = 0;
  for (const mutant of mutants) {
    const root = resolve(dir, 'trees', String(process.pid));
    await mutantTree(mutant, root);
    let shown: Result['violations'] = [];
    let result: Result | undefined;
    for (let i = 0; i < maxTries && shown.length === 0 && !signal.aborted; i += 1) {
      result = await attempt(mutant, root, (options.seeds[0] as number) + i, options);
      shown = result.violations.filter(({ broken }) => mutant.shows.includes(broken));
    }
    const caught = shown.length > 0;
    if (!caught) missed += 1;
    say(`${caught ? '✓' : '✗'} ${mutant.name} (${mutant.about}): ${caught ? 'caught' : 'not caught'}`);
    if (result) say(`    ${lineOf(result).slice(2)}`);
    for (const { broken, what } of shown.slice(0, maxShown)) say(`    ${broken}: ${what}`);
    await rm(root, { recursive: true, force: true });
  }
  return missed;
};
