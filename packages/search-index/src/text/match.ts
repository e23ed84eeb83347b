import type { Clause } from './query.ts';
import type { Token } from './tokens.ts';

/** A part of a text, in UTF-16 code units. */
export interface Range {
  start: number;
  end: number;
}

/** Where the clauses stand in a text. */
export interface Matches {
  /** Ascending, without overlaps. */
  ranges: Range[];
  /** How often each clause is there. */
  counts: number[];
}

const fits = (terms: readonly { term: string }[], at: number, { terms: wanted, prefix }: Clause): boolean =>
  wanted.every((term, i) => {
    const there = terms[at + i]?.term;
    if (there === undefined) return false;
    return prefix && i === wanted.length - 1 ? there.startsWith(term) : there === term;
  });

/** Calls `found` for each place a clause stands at. */
const places = (
  tokens: readonly { term: string }[],
  clauses: readonly Clause[],
  found: (clause: number, at: number) => void,
): void => {
  const whole = new Map<string, number[]>();
  const beginnings: number[] = [];
  for (const [i, { terms, prefix }] of clauses.entries()) {
    if (prefix && terms.length === 1) beginnings.push(i);
    else whole.set(terms[0] as string, [...(whole.get(terms[0] as string) ?? []), i]);
  }
  for (const [at, { term }] of tokens.entries()) {
    for (const i of whole.get(term) ?? []) if (fits(tokens, at, clauses[i] as Clause)) found(i, at);
    for (const i of beginnings) if (fits(tokens, at, clauses[i] as Clause)) found(i, at);
  }
};

/** Where the clauses stand among the tokens of a text. */
export const matchesIn = (tokens: readonly Token[], clauses: readonly Clause[]): Matches => {
  const counts = clauses.map(() => 0);
  const ranges: Range[] = [];
  places(tokens, clauses, (i, at) => {
    const { terms, prefix } = clauses[i] as Clause;
    counts[i] = (counts[i] as number) + 1;
    const last = tokens[at + terms.length - 1] as Token;
    ranges.push({ start: (tokens[at] as Token).start, end: last.run && prefix ? last.headEnd : last.end });
  });
  ranges.sort((a, b) => a.start - b.start || a.end - b.end);
  const merged: Range[] = [];
  for (const range of ranges) {
    const before = merged.at(-1);
    if (before && range.start <= before.end) before.end = Math.max(before.end, range.end);
    else merged.push({ ...range });
  }
  return { ranges: merged, counts };
};

/** How often a clause counts at most about twice, and half of it at about its first time (BM25's k1 and b). */
const saturation = 1.2;
const lengthWeight = 0.75;
/** Terms of a usual message. Fixed, as nothing else of the index has a say: so a score stays, whatever is written meanwhile. */
const usualTerms = 20;

/** How well a document of these terms fits the clauses: BM25 without the rarity of words. The same on every adapter. */
export const scoreOf = (terms: readonly string[], clauses: readonly Clause[]): number => {
  const counts = clauses.map(() => 0);
  places(
    terms.map((term) => ({ term })),
    clauses,
    (i) => {
      counts[i] = (counts[i] as number) + 1;
    },
  );
  const norm = saturation * (1 - lengthWeight + (lengthWeight * terms.length) / usualTerms);
  return counts.reduce((sum, count) => sum + count / (count + norm), 0);
};
