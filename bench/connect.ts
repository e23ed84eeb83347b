import type { Usage } from './lib/control.ts';
import type { Member } from './lib/member.ts';
import type { Bench, BenchOptions } from './lib/options.ts';
import { profiled } from './lib/profiled.ts';
import { median, type Report, round } from './lib/report.ts';
import { startCaas, startWs, type Target } from './lib/target.ts';
import { type Cost, measureCost, pause, threadShares } from './lib/window.ts';

/** Connections being opened at a time. */
const parallel = 256;
const settleMs = 1_500;

interface Round {
  perSecond: number;
  cpuPerThousand: number;
  /** Bytes a connection, after full collections. */
  rssBytes: number;
  heapBytes: number;
  cost: Cost;
}

const openAll = async (open: readonly (() => Promise<Member>)[]): Promise<Member[]> => {
  const members: Member[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < open.length) members.push(await (open[next++] as () => Promise<Member>)());
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  return members;
};

const collected = async ({ server }: Target): Promise<Usage> => {
  await pause(settleMs);
  return server.collected();
};

const measure = async (target: Target, open: readonly (() => Promise<Member>)[]): Promise<Round> => {
  const before = await collected(target);
  const ended = await measureCost(target.server);
  const startedAt = performance.now();
  const members = await openAll(open);
  const seconds = (performance.now() - startedAt) / 1_000;
  const cost = await ended();
  const idle = await collected(target);
  for (const { socket } of members) socket.destroy();
  await pause(settleMs);
  return {
    perSecond: open.length / seconds,
    cpuPerThousand: (cost.serverCpuSeconds / open.length) * 1_000,
    rssBytes: (idle.rssBytes - before.rssBytes) / open.length,
    cost,
    heapBytes: (idle.heapBytes - before.heapBytes) / open.length,
  };
};

const kib = (bytes: number): number => round(bytes / 1_024);

const rowOf = (target: string, rounds: readonly Round[]) => ({
  target,
  'connects/s': Math.round(median(rounds.map((r) => r.perSecond))),
  'CPU s/1000': round(median(rounds.map((r) => r.cpuPerThousand))),
  'idle heap KiB each': kib(median(rounds.map((r) => r.heapBytes))),
  // Of the first round, for later ones reuse its pages; less than the heap where the server had pages to spare before.
  'first RSS KiB each': kib((rounds[0] as Round).rssBytes),
});

/**
 * Clients that come in with tokens they have, each a member of a conversation of 100, until `welcome`; against bare
 * `ws` handshakes. Then what an idle connection holds in memory.
 */
export const connect: Bench = async (options: BenchOptions): Promise<Report> => {
  const count = options.clients ?? (options.short ? 500 : 2_000);
  const targets = [await startWs(), await startCaas()] as [Target, Target];
  const [ws, caas] = targets;
  const visits = { ws: await ws.visitors(count), caas: await caas.visitors(count) };
  // A first small crowd, so that nobody pays for cold code.
  for (const target of targets) {
    const members = await openAll(await target.visitors(100));
    for (const { socket } of members) socket.destroy();
  }
  const rounds = { ws: [] as Round[], caas: [] as Round[] };
  for (let i = 0; i < options.rounds; i++) {
    rounds.ws.push(await measure(ws, visits.ws));
    rounds.caas.push(await measure(caas, visits.caas));
  }
  const notes = [`threads of caas while they connect: ${threadShares((rounds.caas.at(-1) as Round).cost)}`];
  if (options.profile) {
    notes.push(
      await profiled(caas.server, 'connect', async () => {
        for (const { socket } of await openAll(visits.caas)) socket.destroy();
      }),
    );
  }
  for (const { server } of targets) await server.stop();
  return {
    bench: `connect, ${count} clients`,
    rows: [rowOf('ws', rounds.ws), rowOf('caas', rounds.caas)],
    ratios: [
      {
        name: 'connects to ws',
        value: median(rounds.caas.map((r, i) => r.perSecond / (rounds.ws[i] as Round).perSecond)),
        mark: { atLeast: 0.35 },
      },
      {
        name: 'idle heap to ws',
        value: median(rounds.caas.map((r, i) => r.heapBytes / (rounds.ws[i] as Round).heapBytes)),
        mark: { atMost: 2 },
      },
    ],
    notes,
  };
};
