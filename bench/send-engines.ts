import { openLoop, rowOf, sendWindow, verifyAll, type Window } from './lib/closed-loop.ts';
import type { BenchOptions } from './lib/options.ts';
import { median, type Report, round } from './lib/report.ts';
import { ServerProcess } from './lib/server-process.ts';
import { close, startCaas } from './lib/target.ts';
import { threadShares } from './lib/window.ts';

/** What a message of 200 bytes is as an event, ids and hash included, bytes. */
const recordBytes = 420;
const senders = 64;

interface Figures {
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  cpuSeconds: number;
  measured: number;
}

const bareWindow = async (brokers: string, seconds: number): Promise<Figures> => {
  const server = await ServerProcess.start<Figures>('kafka-log', {
    env: {
      BENCH_SIDE: 'kafkajs',
      BENCH_CALLERS: String(senders),
      BENCH_SECONDS: String(seconds),
      BENCH_VALUE_BYTES: String(recordBytes),
      KAFKA_BROKERS: brokers,
    },
    execArgv: ['--disable-warning=TimeoutNegativeWarning'],
  });
  await server.stop();
  return server.info;
};

/**
 * Durable sends of 64 clients in a closed loop over two nodes, every service a process on Kafka, Redis and the MongoDB
 * stand-in, against kafkajs sending the same records in batches with nothing in front, on the same broker.
 */
export const sendOnEngines = async ({ engine, rounds, seconds }: BenchOptions): Promise<Report> => {
  if (engine !== 'kafka') throw new Error(`there is no engine ${engine}, only kafka`);
  const target = await startCaas({}, 'caas-engines');
  const { brokers } = target.server.info as unknown as { brokers: string };
  const loop = await openLoop(target);
  const windows: Window[] = [];
  const bare: Figures[] = [];
  for (let i = 0; i < rounds; i++) {
    windows.push(await sendWindow(loop, seconds));
    bare.push(await bareWindow(brokers, seconds));
  }
  const verified = await verifyAll(loop);
  await close(target, loop.conversations);
  const of = (pick: (f: Figures) => number): number => round(median(bare.map(pick)), 4);
  const against = (compare: (w: Window, f: Figures) => number): number =>
    median(windows.map((w, i) => compare(w, bare[i] as Figures)));
  return {
    bench: 'send --engine kafka',
    rows: [
      {
        target: 'kafkajs, nothing in front',
        'acked/s': Math.round(of((f) => f.perSecond)),
        'p50 ms': of((f) => f.p50Ms),
        'p99 ms': of((f) => f.p99Ms),
        'CPU s/1000': of((f) => (f.cpuSeconds / f.measured) * 1_000),
      },
      rowOf('caas on engines', windows),
    ],
    ratios: [
      { name: 'acked rate to kafkajs', value: against((w, f) => w.perSecond / f.perSecond), mark: { atLeast: 0.5 } },
      { name: 'p99 over that of kafkajs, ms', value: against((w, f) => w.p99Ms - f.p99Ms), mark: { atMost: 5 } },
    ],
    notes: [
      `${verified} messages read back: seq without gap, digests equal`,
      `processes, of a core: ${threadShares((windows.at(-1) as Window).cost)}`,
      'CPU of caas is that of all services and engines, of kafkajs that of its own process without the broker',
    ],
  };
};
