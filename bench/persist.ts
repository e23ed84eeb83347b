import type { Bench, BenchOptions } from './lib/options.ts';
import { median, type Ratio, type Report, round } from './lib/report.ts';
import { ShardLoad } from './persist/documents.ts';
import { mongoEngine, type PersistEngine, type RawRows, sqliteEngine } from './persist/engines.ts';

/** Workers at a time: as many as there are shards. */
const shards = 3;
/** Messages in a batch: what a worker has under some load, and the most of one call. */
const batchSizes = [100, 1_000];

interface Window {
  perSecond: number;
  cpuPerThousand: number;
}

/** Runs `shards` loops and says what they got done. */
const measure = async (work: (shard: number) => Promise<number>): Promise<Window> => {
  const from = { cpu: process.cpuUsage(), at: performance.now() };
  const done = await Promise.all(Array.from({ length: shards }, (_, shard) => work(shard)));
  const total = done.reduce((sum, n) => sum + n, 0);
  const { user, system } = process.cpuUsage(from.cpu);
  return {
    perSecond: (total * 1_000) / (performance.now() - from.at),
    cpuPerThousand: ((user + system) / 1e6 / total) * 1_000,
  };
};

let loads = 0;
const persisting = ({ store }: PersistEngine, batch: number, seconds: number): Promise<Window> =>
  measure(async () => {
    const load = new ShardLoad(store, `shard-${loads++}`);
    const deadline = performance.now() + seconds * 1_000;
    let done = 0;
    for (; performance.now() < deadline; done += batch) await load.persist(batch);
    return done;
  });

const inserting = (rows: RawRows, batch: number): Promise<Window> => {
  let next = 0;
  return measure(async () => {
    let done = 0;
    while (next < rows.count) {
      const from = next;
      next += batch;
      const to = Math.min(next, rows.count);
      await rows.insert(from, to);
      done += to - from;
    }
    return done;
  });
};

const compare = async (engine: PersistEngine, batch: number, options: BenchOptions) => {
  const windows = { store: [] as Window[], raw: [] as Window[] };
  for (let each = 0; each < options.rounds; each++) {
    windows.store.push(await persisting(engine, batch, options.seconds));
    windows.raw.push(await inserting(await engine.take(), batch));
  }
  const row = (target: string, of: readonly Window[]) => ({
    target: `${target}, batches of ${batch}`,
    'messages/s': Math.round(median(of.map((w) => w.perSecond))),
    'client CPU s/1000': round(median(of.map((w) => w.cpuPerThousand))),
  });
  const ratio: Ratio = {
    name: `${engine.name}, ${batch}`,
    value: median(windows.store.map((w, i) => w.perSecond / (windows.raw[i] as Window).perSecond)),
    mark: { atLeast: 0.6 },
  };
  return {
    rows: [
      row(`${engine.name}, written and committed`, windows.store),
      row(`${engine.name}, raw inserts`, windows.raw),
    ],
    ratio,
  };
};

/**
 * Persisting messages as the workers do, documents and then heads, against raw inserts of the very same documents into a
 * collection with the same indexes, as durable. Embedded, and on MongoDB when MONGODB_URL says where it is.
 */
export const persist: Bench = async (options): Promise<Report> => {
  const url = process.env['MONGODB_URL'];
  const rows: Report['rows'] = [];
  const ratios: Ratio[] = [];
  for (const open of [sqliteEngine, ...(url ? [() => mongoEngine(url)] : [])]) {
    const engine = await open();
    for (const batch of batchSizes) {
      const outcome = await compare(engine, batch, options);
      rows.push(...outcome.rows);
      ratios.push(outcome.ratio);
    }
    await engine.close();
  }
  const notes = url ? [] : ['set MONGODB_URL to measure MongoDB too'];
  return { bench: 'persist', rows, ratios, notes: [`${shards} writers at a time`, ...notes] };
};
