import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Broken } from '../support/history.ts';

/** Which promise was broken; `late`: not kept in its time. */
export type Violated = Broken | 'late';

/** What came of one cell with one seed. Times in milliseconds; -1: never. */
export interface Result {
  cell: string;
  seed: number;
  accepted: number;
  /** Accepted while the fault lasted. */
  acceptedMeanwhile: number;
  /** Lines of history that were judged. */
  lines: number;
  /** Tries of those who must not come in that were refused. */
  turnedAway: number;
  faultMs: number;
  /** From the end of the fault to the first send accepted. */
  firstAcceptedMs: number;
  /** From the end of the fault until all that was accepted before had its place. */
  caughtUpMs: number;
  tookMs: number;
  violations: { broken: Violated; what: string }[];
}

/** Of a cell that could not even begin. */
export const unbegun = (cell: string, seed: number, thrown: unknown): Result => ({
  cell,
  seed,
  accepted: 0,
  acceptedMeanwhile: 0,
  lines: 0,
  turnedAway: 0,
  faultMs: 0,
  firstAcceptedMs: -1,
  caughtUpMs: -1,
  tookMs: 0,
  violations: [{ broken: 'late', what: `it could not begin: ${String(thrown)}` }],
});

/** The columns of the table, and what counts as each. */
const columns: Readonly<Record<string, readonly Violated[]>> = {
  lost: ['lost'],
  duplicate: ['duplicated'],
  misordered: ['order', 'gap', 'sender-order', 'digest'],
  leaked: ['leaked', 'foreign'],
  other: ['content', 'send', 'act', 'late'],
  'not judged': ['unjudged'],
};

export const resultsDir = '.cache/failure/results';

export const keep = async (result: Result): Promise<void> => {
  await mkdir(resultsDir, { recursive: true });
  await writeFile(join(resultsDir, `${result.cell}-${result.seed}.json`), JSON.stringify(result, null, 2));
};

export const kept = async (): Promise<Result[]> => {
  const files = await readdir(resultsDir).catch(() => []);
  return Promise.all(files.map(async (file) => JSON.parse(await readFile(join(resultsDir, file), 'utf8')) as Result));
};

const countsOf = (results: readonly Result[]): number[] =>
  Object.values(columns).map((kinds) =>
    results
      .flatMap(({ violations }) => violations)
      .reduce((sum, { broken }) => sum + (kinds.includes(broken) ? 1 : 0), 0),
  );

const seconds = (ms: number): string => (ms < 0 ? 'never' : (ms / 1_000).toFixed(1));

/** One line of what came of a cell. */
export const lineOf = (result: Result): string => {
  const counts = countsOf([result]);
  const told = Object.keys(columns).map((name, i) => `${counts[i]} ${name}`);
  return `${result.violations.length === 0 ? '✓' : '✗'} ${result.cell} (seed ${result.seed}): ${result.accepted} accepted, ${result.acceptedMeanwhile} of them meanwhile, ${told.join(', ')}; first accepted ${seconds(result.firstAcceptedMs)} s, caught up ${seconds(result.caughtUpMs)} s after the fault of ${seconds(result.faultMs)} s`;
};

/** The table of all results, a row a cell, in the cells' order: worst times, sums of the rest. */
export const tableOf = (results: readonly Result[], order: readonly string[]): string => {
  const rows = order.flatMap((cell) => {
    const own = results.filter((result) => result.cell === cell);
    if (own.length === 0) return [];
    const worst = (of: (result: Result) => number): string =>
      seconds(own.some((r) => of(r) < 0) ? -1 : Math.max(...own.map(of)));
    const accepted = own.reduce((sum, result) => sum + result.accepted, 0);
    const meanwhile = own.reduce((sum, result) => sum + result.acceptedMeanwhile, 0);
    const cells = [
      cell,
      own.length,
      accepted,
      meanwhile,
      ...countsOf(own),
      worst((r) => r.firstAcceptedMs),
      worst((r) => r.caughtUpMs),
    ];
    return [`| ${cells.join(' | ')} |`];
  });
  const heads = [
    'cell',
    'seeds',
    'accepted',
    'meanwhile',
    ...Object.keys(columns),
    'first accepted, s',
    'caught up, s',
  ];
  const total = results.reduce((sum, result) => sum + result.accepted, 0);
  const sums = ['all', results.length, total, '', ...countsOf(results), '', ''];
  return [`| ${heads.join(' | ')} |`, `|${'---|'.repeat(heads.length)}`, ...rows, `| ${sums.join(' | ')} |`].join('\n');
};
