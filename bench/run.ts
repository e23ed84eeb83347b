/** `npm run bench -- <name> [options]`: measures the product against bare baselines in the same run. */
import { parseArgs } from 'node:util';
import { type BenchOptions, benches } from './lib/options.ts';
import { print } from './lib/report.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string' },
    rounds: { type: 'string' },
    nodes: { type: 'string' },
    clients: { type: 'string' },
    conversations: { type: 'string' },
    inflight: { type: 'string' },
    engine: { type: 'string' },
    json: { type: 'boolean', default: false },
    short: { type: 'boolean', default: false },
    profile: { type: 'boolean', default: false },
  },
});

const wholeOf = (name: 'seconds' | 'rounds' | 'nodes' | 'clients' | 'conversations' | 'inflight') => {
  const text = values[name];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} must be a whole number from 1`);
  return value;
};

const [name = ''] = positionals;
const load = benches[name];
if (!load) {
  process.stderr.write(
    `usage: npm run bench -- <${Object.keys(benches).join('|')}> [--seconds n] [--rounds n] [--nodes 1|2] [--clients n] [--conversations n] [--inflight n] [--engine kafka] [--short] [--json] [--profile]\n`,
  );
  process.exit(64);
}
const options: BenchOptions = {
  seconds: wholeOf('seconds') ?? (values.short ? 2 : 5),
  rounds: wholeOf('rounds') ?? (values.short ? 1 : 3),
  nodes: wholeOf('nodes'),
  clients: wholeOf('clients'),
  conversations: wholeOf('conversations'),
  inFlight: wholeOf('inflight'),
  engine: values.engine,
  short: values.short,
  profile: values.profile,
};
const bench = await load();
print(await bench(options), values.json);
process.exit(0);
