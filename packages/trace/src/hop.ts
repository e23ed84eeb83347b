/** What a hop was read from: a line a service logged, a record of the event log, a stored document, the index, the audit log. */
export type HopKind = 'line' | 'record' | 'document' | 'indexed' | 'audited';

/** One place a trace id has come by. */
export interface Hop {
  kind: HopKind;
  /** Service, topic or store. */
  where: string;
  /** What happened there; never what was said. */
  what: string;
  /** When it began, UTC milliseconds since 1970. */
  atMs: number;
  /** How long it took, in milliseconds; undefined: it was done at once. */
  tookMs?: number;
}

/** Order of what has the same millisecond: as the way goes. */
const order: readonly HopKind[] = ['line', 'record', 'document', 'indexed', 'audited'];

export const inOrder = (hops: readonly Hop[]): Hop[] =>
  hops.toSorted((a, b) => a.atMs - b.atMs || order.indexOf(a.kind) - order.indexOf(b.kind));

const head = ['+ms', 'took ms', 'where', 'what'] as const;

/** The hops as lines of a table, each with its time since the first. */
export const hopLines = (hops: readonly Hop[]): string[] => {
  const first = hops[0]?.atMs ?? 0;
  const rows = hops.map(({ atMs, tookMs, where, what }) => [
    (atMs - first).toFixed(1),
    tookMs === undefined ? '' : tookMs.toFixed(1),
    where,
    what,
  ]);
  const width = Math.max(...[head, ...rows].map(([, , where]) => (where as string).length));
  return [head, ...rows].map(
    ([at = '', took = '', where = '', what]) =>
      `${at.padStart(8)}  ${took.padStart(7)}  ${where.padEnd(width)}  ${what}`,
  );
};
