import { type ClosedLoop, openLoop, rowOf, sendWindow, verifyAll, type Window } from './lib/closed-loop.ts';
import type { Bench, BenchOptions } from './lib/options.ts';
import { profiled } from './lib/profiled.ts';
import { median, type Report } from './lib/report.ts';
import { close, startCaas } from './lib/target.ts';
import { banned } from './servers/bench-policy.ts';

/**
 * What judging content costs the way of a message: the closed loop of `send` on two platforms, one of whose tenants has a
 * policy of 1,000 words, 10 patterns and all personal data.
 */
export const policy: Bench = async (options: BenchOptions): Promise<Report> => {
  const targets = await Promise.all([startCaas(), startCaas({ env: { BENCH_POLICY: 'true' } })]);
  const [free, judged] = (await Promise.all(targets.map(openLoop))) as [ClosedLoop, ClosedLoop];
  const windows = { free: [] as Window[], judged: [] as Window[] };
  for (let round = 0; round < options.rounds; round++) {
    windows.free.push(await sendWindow(free, options.seconds));
    windows.judged.push(await sendWindow(judged, options.seconds));
  }
  await assertInForce(judged);
  const notes: string[] = [];
  if (options.profile)
    notes.push(await profiled(judged.target.server, 'policy', () => sendWindow(judged, options.seconds)));
  const verified = await verifyAll(judged);
  await verifyAll(free);
  for (const { target, conversations } of [free, judged]) await close(target, conversations);
  const ratio = (pick: (w: Window) => number): number =>
    median(windows.judged.map((w, i) => pick(w) / pick(windows.free[i] as Window)));
  return {
    bench: 'policy',
    rows: [rowOf('no policy', windows.free), rowOf('judged', windows.judged)],
    ratios: [
      { name: 'acked rate judged to free', value: ratio((w) => w.perSecond), mark: { atLeast: 0.95 } },
      { name: 'with persisting', value: ratio((w) => w.sustainedPerSecond) },
      { name: 'p50', value: ratio((w) => w.p50Ms) },
      { name: 'server CPU', value: ratio((w) => w.cpuPerThousand) },
    ],
    notes: [
      `${verified} judged messages read back: seq without gap, digests equal`,
      `acked/s by round: free ${windows.free.map((w) => Math.round(w.perSecond)).join(' ')}; judged ${windows.judged.map((w) => Math.round(w.perSecond)).join(' ')}`,
      ...notes,
    ],
  };
};

/** Throws unless what the policy bans is refused: a policy that is not in force costs nothing. */
const assertInForce = async ({ conversations: [conversation] }: ClosedLoop): Promise<void> => {
  const [member] = conversation?.members ?? [];
  const send = { conversationId: conversation?.id, clientMsgId: 'banned', content: { text: `so ${banned} it is` } };
  const refusal = await member?.request({ sendMessage: send }).then(
    () => 'accepted',
    (error: unknown) => String(error),
  );
  if (!refusal?.includes('CONTENT_REJECTED')) throw new Error(`the policy is not in force: ${refusal}`);
};
