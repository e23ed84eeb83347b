/** `npm run test:failure`: faults of services, engines and the network between them under load, and what came of it. */
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { runMain } from '@caas/kit';
import { cells } from './cells.ts';
import { type Options, optionsOf } from './options.ts';
import { keep, kept, lineOf, type Result, tableOf } from './report.ts';
import { runCell } from './run-cell.ts';
import { startWorld, type World } from './world.ts';

const dir = '.cache/failure';

const say = (line: string): void => void process.stdout.write(`${line}\n`);

const runAll = async ({ chosen, seeds, rate, minAccepted }: Options, signal: AbortSignal): Promise<Result[]> => {
  const results: Result[] = [];
  let world: World | undefined;
  const worldDir = join(dir, 'worlds', String(process.pid));
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
        for (const { broken, what } of result.violations) say(`    ${broken}: ${what}`);
        await keep(result);
        results.push(result);
        // What a broken promise has left behind is not the next cell's.
        if (result.violations.length === 0) await rm(histories, { recursive: true });
        else {
          say(`    histories: ${histories}; again: npm run test:failure -- --cell ${name} --seed ${seed}`);
          world = undefined;
          await target.stop();
          await cp(join(target.dir, 'services/logs'), join(histories, 'logs'), { recursive: true });
        }
      }
  } finally {
    await world?.stop();
    await rm(worldDir, { recursive: true, force: true });
  }
  return results;
};

await runMain(async (signal) => {
  const options = optionsOf(process.argv.slice(2));
  const names = cells.map(({ name }) => name);
  if (options.show === 'list') return cells.forEach(({ name, about }) => void say(`${name.padEnd(28)} ${about}`));
  if (options.show === 'table') return say(tableOf(await kept(), names));
  const startedAtMs = Date.now();
  const results = await runAll(options, signal);
  say(`\n${tableOf(results, names)}`);
  const broken = results.filter(({ violations }) => violations.length > 0).length;
  say(`\n${results.length} cells in ${Math.round((Date.now() - startedAtMs) / 1_000)} s, ${broken} with violations`);
  if (broken > 0 || results.length === 0) process.exit(1);
});
