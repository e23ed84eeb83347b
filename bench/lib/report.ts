/** A bench's outcome: a table, and ratios against their marks. */
export interface Ratio {
  name: string;
  value: number;
  /** What is meant to be reached; undefined: for information. */
  mark?: { atLeast: number } | { atMost: number };
}

export interface Report {
  bench: string;
  rows: Record<string, string | number>[];
  ratios: Ratio[];
  notes: string[];
}

export const round = (value: number, digits = 3): number => Number(value.toPrecision(digits));

const widthOf = (rows: readonly Report['rows'][number][], column: string): number =>
  Math.max(column.length, ...rows.map((row) => String(row[column] ?? '').length));

const table = (rows: readonly Report['rows'][number][]): string => {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const line = (cell: (column: string) => string): string =>
    columns.map((column) => cell(column).padStart(widthOf(rows, column))).join('  ');
  return [line((c) => c), ...rows.map((row) => line((c) => String(row[c] ?? '')))].join('\n');
};

const reached = ({ value, mark }: Ratio): boolean =>
  mark === undefined || ('atLeast' in mark ? value >= mark.atLeast : value <= mark.atMost);

const ratioText = (ratio: Ratio): string => {
  const { name, value, mark } = ratio;
  const wanted = mark && ('atLeast' in mark ? `≥ ${mark.atLeast}` : `≤ ${mark.atMost}`);
  return `${name} ${round(value)}${wanted ? ` (${wanted}: ${reached(ratio) ? 'reached' : 'MISSED'})` : ''}`;
};

export const print = (report: Report, json: boolean): void => {
  if (json) {
    const ratios = report.ratios.map((ratio) => ({ ...ratio, reached: reached(ratio) }));
    process.stdout.write(`${JSON.stringify({ ...report, ratios })}\n`);
    return;
  }
  const notes = report.notes.map((note) => `  ${note}\n`).join('');
  process.stdout.write(`\n${table(report.rows)}\n${notes}ratios: ${report.ratios.map(ratioText).join(' · ')}\n`);
};

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
};
