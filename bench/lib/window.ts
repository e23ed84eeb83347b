import type { Usage } from './control.ts';
import type { ServerProcess } from './server-process.ts';

/** What a stretch of time cost. */
export interface Cost {
  seconds: number;
  serverCpuSeconds: number;
  generatorCpuSeconds: number;
  /** Server CPU by thread, or by process where it is several, seconds. */
  threads: Map<string, number>;
}

/** Begins a stretch; the function ends it. */
export const measureCost = async (server: ServerProcess): Promise<() => Promise<Cost>> => {
  const partsOf = ({ processes }: Usage): Map<string, number> =>
    processes ? new Map(Object.entries(processes)) : server.threads();
  const usage = await server.usage();
  const before = {
    usage,
    threads: partsOf(usage),
    own: process.cpuUsage(),
    at: performance.now(),
  };
  return async () => {
    const seconds = (performance.now() - before.at) / 1_000;
    const own = process.cpuUsage(before.own);
    const usage = await server.usage();
    const threads = new Map<string, number>();
    for (const [name, value] of partsOf(usage)) threads.set(name, value - (before.threads.get(name) ?? 0));
    return {
      seconds,
      serverCpuSeconds: usage.cpuSeconds - before.usage.cpuSeconds,
      generatorCpuSeconds: (own.user + own.system) / 1e6,
      threads,
    };
  };
};

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Polls until it holds; rejects after `timeoutMs`, naming what was awaited. */
export const until = async (
  what: string,
  holds: () => boolean | Promise<boolean>,
  timeoutMs = 60_000,
): Promise<void> => {
  const deadline = performance.now() + timeoutMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms for: ${what}`);
    await pause(5);
  }
};

/** Threads that took part, the busiest first, as shares of a core. */
export const threadShares = ({ threads, seconds }: Cost): string =>
  [...threads]
    .filter(([, cpu]) => cpu / seconds > 0.005)
    .sort(([, a], [, b]) => b - a)
    .map(([name, cpu]) => `${name} ${Math.round((cpu / seconds) * 100)} %`)
    .join(', ');
