/** `npm run test:failure`: faults of services, engines and the network between them under load, and what came of it. */
import { runMain } from '@caas/kit';
import { cells } from './cells.ts';
import { runMutants } from './mutants/run-mutants.ts';
import { optionsOf } from './options.ts';
import { kept, tableOf } from './report.ts';
import { runCells } from './run-cells.ts';

const say = (line: string): void => void process.stdout.write(`${line}\n`);

const names = cells.map(({ name }) => name);

await runMain(async (signal) => {
  const options = optionsOf(process.argv.slice(2));
  if (options.show === 'list') return cells.forEach(({ name, about }) => void say(`${name.padEnd(28)} ${about}`));
  if (options.show === 'table') return say(tableOf(await kept(), names));
  const startedAtMs = Date.now();
  const took = (): string => `${Math.round((Date.now() - startedAtMs) / 1_000)} s`;
  if (options.mutants !== undefined) {
    const missed = await runMutants(options.mutants, options, say, signal);
    say(`${options.mutants.length} mutants in ${took()}, ${missed} not caught`);
    if (missed > 0) process.exit(1);
    return;
  }
  const results = await runCells(options, say, signal);
  say(`\n${tableOf(results, names)}`);
  const broken = results.filter(({ violations }) => violations.length > 0).length;
  say(`\n${results.length} cells in ${took()}`);
  say(`${results.length - broken} passed, ${broken} failed`);
  if (broken > 0 || results.length === 0) process.exit(1);
});
