import type { Bench, BenchOptions } from './lib/options.ts';
import { median, type Report, round } from './lib/report.ts';
import { ServerProcess } from './lib/server-process.ts';

interface Figures {
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  cpuSeconds: number;
  measured: number;
}

/** Callers that wait for their answers: the 64 senders of the send bench, and enough of them to fill any batch. */
const loads = [64, 2_500] as const;
const sides = ['kafkajs', 'log'] as const;

const window = async (side: (typeof sides)[number], callers: number, seconds: number): Promise<Figures> => {
  const env = { BENCH_SIDE: side, BENCH_CALLERS: String(callers), BENCH_SECONDS: String(seconds) };
  const server = await ServerProcess.start<Figures>('kafka-log', {
    env,
    execArgv: ['--disable-warning=TimeoutNegativeWarning'],
  });
  await server.stop();
  return server.info;
};

/** Appends to the log on Kafka against kafkajs sending batches with nothing in front, same records and callers. */
export const log: Bench = async ({ engine, seconds, rounds }: BenchOptions): Promise<Report> => {
  if (engine !== 'kafka') throw new Error('npm run bench -- log --engine kafka: the embedded log is part of send');
  if (!process.env['KAFKA_BROKERS']) throw new Error('KAFKA_BROKERS names no broker');
  const figures = new Map<string, Figures[]>();
  for (let i = 0; i < rounds; i++)
    for (const callers of loads)
      for (const side of sides) {
        const name = `${side}, ${callers} callers`;
        figures.set(name, [...(figures.get(name) ?? []), await window(side, callers, seconds)]);
      }
  const of = (name: string, pick: (f: Figures) => number): number =>
    round(median(figures.get(name)?.map(pick) ?? []), 4);
  const cpuPerThousand = ({ cpuSeconds, measured }: Figures): number => (cpuSeconds / measured) * 1_000;
  const ratio = (callers: number, pick: (f: Figures) => number): number => {
    const [bare, own] = sides.map((side) => figures.get(`${side}, ${callers} callers`) as Figures[]) as [
      Figures[],
      Figures[],
    ];
    return median(own.map((f, i) => pick(f) / pick(bare[i] as Figures)));
  };
  return {
    bench: 'log',
    rows: [...figures.keys()].map((name) => ({
      target: name,
      'acked/s': Math.round(of(name, (f) => f.perSecond)),
      'p50 ms': of(name, (f) => f.p50Ms),
      'p99 ms': of(name, (f) => f.p99Ms),
      'CPU s/1000': of(name, cpuPerThousand),
    })),
    ratios: loads.flatMap((callers) => [
      {
        name: `rate to kafkajs, ${callers} callers`,
        value: ratio(callers, (f) => f.perSecond),
        mark: { atLeast: 0.5 },
      },
      { name: 'CPU', value: ratio(callers, cpuPerThousand) },
      { name: 'p99', value: ratio(callers, (f) => f.p99Ms) },
    ]),
    notes: ['acks of all replicas; kafkajs is not idempotent here: it may double what is answered late'],
  };
};
