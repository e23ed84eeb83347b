import { type ClosedLoop, openLoop, rowOf, sendWindow, verifyAll, type Window } from './lib/closed-loop.ts';
import type { Bench, BenchOptions } from './lib/options.ts';
import { profiled } from './lib/profiled.ts';
import { median, type Report } from './lib/report.ts';
import { close, startCaas } from './lib/target.ts';

/** What sealing content costs the way of a message: the closed loop of `send` on two platforms, one of which keeps it in the clear. */
export const seal: Bench = async (options: BenchOptions): Promise<Report> => {
  const targets = await Promise.all([startCaas({ env: { SOCKET_SEAL_CONTENT: 'false' } }), startCaas()]);
  const [plain, sealed] = (await Promise.all(targets.map(openLoop))) as [ClosedLoop, ClosedLoop];
  const windows = { plain: [] as Window[], sealed: [] as Window[] };
  for (let round = 0; round < options.rounds; round++) {
    windows.plain.push(await sendWindow(plain, options.seconds));
    windows.sealed.push(await sendWindow(sealed, options.seconds));
  }
  const notes: string[] = [];
  if (options.profile)
    notes.push(await profiled(sealed.target.server, 'seal', () => sendWindow(sealed, options.seconds)));
  const verified = await verifyAll(sealed);
  await verifyAll(plain);
  for (const { target, conversations } of [plain, sealed]) await close(target, conversations);
  const ratio = (pick: (w: Window) => number): number =>
    median(windows.sealed.map((w, i) => pick(w) / pick(windows.plain[i] as Window)));
  return {
    bench: 'seal',
    rows: [rowOf('in the clear', windows.plain), rowOf('sealed', windows.sealed)],
    ratios: [
      { name: 'acked rate sealed to clear', value: ratio((w) => w.perSecond), mark: { atLeast: 0.95 } },
      { name: 'with persisting', value: ratio((w) => w.sustainedPerSecond) },
      { name: 'p50', value: ratio((w) => w.p50Ms) },
      { name: 'server CPU', value: ratio((w) => w.cpuPerThousand) },
    ],
    notes: [
      `${verified} sealed messages read back: seq without gap, digests equal`,
      `acked/s by round: clear ${windows.plain.map((w) => Math.round(w.perSecond)).join(' ')}; sealed ${windows.sealed.map((w) => Math.round(w.perSecond)).join(' ')}`,
      ...notes,
    ],
  };
};
