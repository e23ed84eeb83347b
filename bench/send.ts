import { type ClosedLoop, openLoop, rowOf, sendWindow, verifyAll, type Window } from './lib/closed-loop.ts';
import type { Bench, BenchOptions } from './lib/options.ts';
import { profiled } from './lib/profiled.ts';
import { median, type Report, round } from './lib/report.ts';
import { ServerProcess } from './lib/server-process.ts';
import { close, startCaas, startWs } from './lib/target.ts';
import { threadShares } from './lib/window.ts';
import { sendOnEngines } from './send-engines.ts';

interface LogFigures {
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  cpuSeconds: number;
  measured: number;
}

const logWindow = async (seconds: number): Promise<LogFigures> => {
  const server = await ServerProcess.start<LogFigures>('log', {
    env: { BENCH_APPENDERS: '64', BENCH_CONVERSATIONS: '8', BENCH_SECONDS: String(seconds) },
  });
  await server.stop();
  return server.info;
};

/**
 * Durable sends of 64 clients in a closed loop over two nodes, against a `ws` server that keeps nothing: by the pipeline
 * alone, which is the like of it, and with the search service in the same process, which takes its share of the same cores.
 */
export const send: Bench = async (options: BenchOptions): Promise<Report> => {
  if (options.engine !== undefined) return sendOnEngines(options);
  const targets = await Promise.all([
    startWs(),
    startCaas({ env: { CAAS_SEARCH: 'false' } }),
    startCaas({ env: { CAAS_SEARCH: 'true' } }),
  ]);
  const loops = (await Promise.all(targets.map(openLoop))) as [ClosedLoop, ClosedLoop, ClosedLoop];
  const [ws, caas, searched] = loops;
  const windows = { ws: [] as Window[], caas: [] as Window[], searched: [] as Window[], log: [] as LogFigures[] };
  for (let round = 0; round < options.rounds; round++) {
    windows.ws.push(await sendWindow(ws, options.seconds));
    windows.caas.push(await sendWindow(caas, options.seconds));
    windows.searched.push(await sendWindow(searched, options.seconds));
    windows.log.push(await logWindow(options.seconds));
  }
  const notes: string[] = [];
  if (options.profile) {
    notes.push(await profiled(caas.target.server, 'send', () => sendWindow(caas, options.seconds)));
    notes.push(await profiled(searched.target.server, 'send-searched', () => sendWindow(searched, options.seconds)));
  }
  const verified = (await verifyAll(caas)) + (await verifyAll(searched));
  for (const { target, conversations } of loops) await close(target, conversations);

  const toWs = (of: readonly Window[], pick: (w: Window) => number): number =>
    median(of.map((w, i) => pick(w) / pick(windows.ws[i] as Window)));
  const logOf = (pick: (w: LogFigures) => number): number => round(median(windows.log.map(pick)), 4);
  const perSecond = (of: readonly Window[]): string => of.map((w) => Math.round(w.perSecond)).join(' ');
  const last = (of: readonly Window[]): Window => of.at(-1) as Window;
  return {
    bench: 'send',
    rows: [
      rowOf('ws, keeps nothing', windows.ws),
      rowOf('caas, durable', windows.caas),
      rowOf('caas, and indexed', windows.searched),
      {
        target: 'event log alone',
        'acked/s': Math.round(logOf((w) => w.perSecond)),
        'p50 ms': logOf((w) => w.p50Ms),
        'p99 ms': logOf((w) => w.p99Ms),
        'CPU s/1000': logOf((w) => (w.cpuSeconds / w.measured) * 1_000),
      },
    ],
    ratios: [
      { name: 'acked rate to ws', value: toWs(windows.caas, (w) => w.perSecond), mark: { atLeast: 1.2 } },
      { name: 'with persisting', value: toWs(windows.caas, (w) => w.sustainedPerSecond), mark: { atLeast: 1.2 } },
      { name: 'p50 to ws', value: toWs(windows.caas, (w) => w.p50Ms), mark: { atMost: 1 } },
      { name: 'CPU to ws', value: toWs(windows.caas, (w) => w.cpuPerThousand) },
      { name: 'indexed, acked rate to ws', value: toWs(windows.searched, (w) => w.perSecond) },
      { name: 'indexed, p50 to ws', value: toWs(windows.searched, (w) => w.p50Ms) },
      { name: 'indexed, CPU to ws', value: toWs(windows.searched, (w) => w.cpuPerThousand) },
      {
        name: 'acked rate to log',
        value: median(windows.caas.map((w, i) => w.perSecond / (windows.log[i] as LogFigures).perSecond)),
      },
    ],
    notes: [
      `${verified} messages read back: seq without gap, digests equal`,
      `acked/s by round: ws ${perSecond(windows.ws)}; caas ${perSecond(windows.caas)}; indexed ${perSecond(windows.searched)}`,
      `threads of caas: ${threadShares(last(windows.caas).cost)}; heads a message and member: ${round(last(windows.caas).headsPerMessage)}`,
      `threads with the index: ${threadShares(last(windows.searched).cost)}`,
      ...notes,
    ],
  };
};
