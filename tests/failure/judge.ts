import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { check, type Violation } from '../support/checker.ts';
import { type Entry, readHistories } from '../support/history.ts';
import { checkActs } from './check-acts.ts';

export interface Verdict {
  /** Sends that were accepted, each counted once. */
  accepted: number;
  /** Those of them while the fault lasted. */
  acceptedMeanwhile: number;
  /** Lines of history that were read. */
  lines: number;
  /** How often somebody who must not come in was told so. */
  turnedAway: number;
  violations: Violation[];
  /** From the end of the fault until everything accepted before had its place, in milliseconds. */
  caughtUpMs: number;
}

/** Judges the histories of a run by themselves: nothing of it needs to be there any more. */
export const judge = async (
  dir: string,
  { faultAtMs, healedAtMs }: { faultAtMs: number; healedAtMs: number },
): Promise<Verdict> => {
  const files = (await readdir(dir)).filter((name) => name.endsWith('.jsonl')).map((name) => join(dir, name));
  const entries = await readHistories(files);
  const turnedAway = entries.filter(({ event }) => event === 'turned-away').length;
  const violations = [...check(entries), ...checkActs(entries), ...seen(entries)];
  if (turnedAway === 0)
    violations.push({ broken: 'leaked', what: 'nobody was turned away: leaks were not looked for' });
  return {
    accepted: new Set(
      entries.flatMap((e) => (e.event === 'accepted' ? [`${e.client} ${e.conversation} ${e.clientMsgId}`] : [])),
    ).size,
    acceptedMeanwhile: entries.filter(
      ({ event, atMs = 0 }) => event === 'accepted' && atMs > faultAtMs && atMs <= healedAtMs,
    ).length,
    lines: entries.length,
    turnedAway,
    violations,
    caughtUpMs: caughtUpMs(entries, healedAtMs),
  };
};

const seen = (entries: readonly Entry[]): Violation[] =>
  entries.flatMap((entry) =>
    entry.event === 'wrong' ? [{ broken: entry.broken, what: `${entry.client}: ${entry.what}` }] : [],
  );

/** When the last message that was accepted before the end of the fault was told to its sender as committed. */
const caughtUpMs = (entries: readonly Entry[], healedAtMs: number): number => {
  const open = new Set<string>();
  for (const e of entries)
    if (e.event === 'accepted' && (e.atMs ?? 0) <= healedAtMs) open.add(`${e.client} ${e.messageId}`);
  let last = healedAtMs;
  for (const e of entries)
    if (e.event === 'committed' && open.has(`${e.client} ${e.messageId}`)) last = Math.max(last, e.atMs ?? 0);
  return last - healedAtMs;
};
