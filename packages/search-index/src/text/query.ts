import { fail } from '@caas/kit';
import { type Token, tokensOf } from './tokens.ts';

/** Terms that have to stand one after the other; of the last one perhaps only the beginning is given. */
export interface Clause {
  terms: readonly string[];
  prefix: boolean;
}

/** Greatest number of words and phrases in a query. */
export const maxQueryClauses = 64;

/** A stretch without spaces ends anywhere: what is asked for may go on, so its single last character is left away. */
const clauseOf = (tokens: readonly Token[], open: boolean): Clause | undefined => {
  const last = tokens.at(-1);
  if (!last) return undefined;
  const before = tokens.at(-2);
  if (last.run && before?.run && before.end === last.end)
    return { terms: tokens.slice(0, -1).map(({ term }) => term), prefix: false };
  return { terms: tokens.map(({ term }) => term), prefix: open || last.run };
};

/**
 * What a query asks for: each word by itself, "words in quotes" one after the other; the last word may be a beginning, unless
 * it is in quotes. There are no operators: all other signs separate words. Empty: nothing that could be found.
 */
export const parseQuery = (query: string): Clause[] => {
  const parts = query.split(/["“”„]/);
  const clauses = new Map<string, Clause>();
  for (const [i, part] of parts.entries()) {
    const quoted = i % 2 === 1;
    const last = i === parts.length - 1;
    const chunks = quoted ? [part] : part.split(/\s+/u).filter((chunk) => chunk !== '');
    for (const [j, chunk] of chunks.entries()) {
      const clause = clauseOf(tokensOf(chunk), last && j === chunks.length - 1);
      if (clause) clauses.set(`${clause.prefix}${clause.terms.join(' ')}`, clause);
    }
  }
  if (clauses.size > maxQueryClauses)
    fail('INVALID_ARGUMENT', `a query has at most ${maxQueryClauses} words and phrases`, {
      details: { field: 'query', limit: 'maxQueryClauses', value: String(maxQueryClauses), unit: 'words' },
    });
  return [...clauses.values()];
};
