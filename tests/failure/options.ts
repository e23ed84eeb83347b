import { parseArgs } from 'node:util';
import { ConfigError } from '@caas/kit/config';
import { type Cell, cells } from './cells.ts';
import { type Mutant, mutants } from './mutants/table.ts';

export const usage = `usage: npm run test:failure -- [--long] [--seeds N] [--seed N] [--cells NAME,NAME] [--rate N] [--accepted N] [--mutants] [--mutant NAME] [--install] [--table] [--list]
  --long      every cell, with more messages; else the short form
  --seeds     how many seeds each cell is run with; default 1
  --seed      the first of them; default a random one
  --cells     these cells; --cell is the same
  --rate      sends a second; default 200
  --accepted  messages a cell accepts at least; default 500, in the long form 2600
  --mutants   the suite itself is tested: each fault that is put in on purpose must be found
  --install   lets apt-get install what the engines lack (as root)
  --table     no run: the table of all results that are kept in .cache/failure/results
  --list      no run: the cells and what they do`;

export interface Options {
  chosen: readonly Cell[];
  seeds: readonly number[];
  rate: number;
  minAccepted: number;
  /** What the engines lack may be installed. */
  install: boolean;
  show: 'run' | 'table' | 'list';
  /** These instead of cells. */
  mutants: readonly Mutant[] | undefined;
}

const parse = (args: readonly string[]) => {
  try {
    return parseArgs({
      args: [...args],
      options: {
        long: { type: 'boolean', default: false },
        seeds: { type: 'string', default: '1' },
        seed: { type: 'string', default: String(Math.floor(Math.random() * 1e6)) },
        cells: { type: 'string' },
        cell: { type: 'string' },
        rate: { type: 'string', default: '200' },
        accepted: { type: 'string' },
        mutants: { type: 'boolean', default: false },
        mutant: { type: 'string' },
        install: { type: 'boolean', default: false },
        table: { type: 'boolean', default: false },
        list: { type: 'boolean', default: false },
      },
    }).values;
  } catch (thrown) {
    throw new ConfigError(`${(thrown as Error).message}\n${usage}`);
  }
};

const whole = (name: string, text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new ConfigError(`--${name} is not a number from 1 on\n${usage}`);
  return value;
};

const choose = (names: string): Cell[] =>
  names.split(',').map((name) => {
    const found = cells.find((cell) => cell.name === name);
    if (!found) throw new ConfigError(`There is no cell ${JSON.stringify(name)}; --list names them.`);
    return found;
  });

export const optionsOf = (args: readonly string[]): Options => {
  const values = parse(args);
  const only = values.mutant;
  const names = values.cells ?? values.cell;
  const first = whole('seed', values.seed);
  return {
    chosen: names !== undefined ? choose(names) : cells.filter((cell) => values.long || cell.short),
    seeds: Array.from({ length: whole('seeds', values.seeds) }, (_, i) => first + i),
    rate: whole('rate', values.rate),
    minAccepted: whole('accepted', values.accepted ?? (values.long ? '2600' : '500')),
    mutants: values.mutants || only !== undefined ? mutants.filter(({ name }) => name === (only ?? name)) : undefined,
    install: values.install,
    show: values.table ? 'table' : values.list ? 'list' : 'run',
  };
};
