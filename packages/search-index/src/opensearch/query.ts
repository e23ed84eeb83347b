import type { IndexQuery } from '../port.ts';
import type { Clause } from '../text/query.ts';
import { maxHeadLength } from './schema.ts';

const lengthOf = (term: string): number => [...term].length;

/** A beginning: a term of its own where it is short; long ones are the beginnings of few terms. */
const beginning = (head: string) =>
  lengthOf(head) <= maxHeadLength ? { term: { 'terms.heads': head } } : { prefix: { terms: { value: head } } };

const beginningSpan = (head: string) =>
  lengthOf(head) <= maxHeadLength
    ? { field_masking_span: { query: { span_term: { 'terms.heads': head } }, field: 'terms' } }
    : { span_multi: { match: { prefix: { terms: { value: head } } } } };

const queryOf = ({ terms, prefix }: Clause): object => {
  const last = terms.at(-1) as string;
  if (terms.length === 1) return prefix ? beginning(last) : { term: { terms: last } };
  if (!prefix) return { match_phrase: { terms: { query: terms.join(' '), analyzer: 'whitespace' } } };
  const before = terms.slice(0, -1).map((term) => ({ span_term: { terms: term } }));
  return { span_near: { clauses: [...before, beginningSpan(last)], slop: 0, in_order: true } };
};

const rangeOf = (fromMs = 0, untilMs = 0, upToMs?: number): object[] => {
  const accepted = {
    ...(fromMs > 0 && { gte: fromMs }),
    ...(untilMs > 0 && { lt: untilMs }),
    ...(upToMs !== undefined && { lte: upToMs }),
  };
  return Object.keys(accepted).length > 0 ? [{ range: { accepted } }] : [];
};

/** A search as the engine takes it. What is looked for is terms, never a language of queries. */
export const boolOf = (query: IndexQuery, upToMs?: number): object => ({
  bool: {
    must: query.clauses.map(queryOf),
    filter: [
      { term: { tenant: query.tenantId } },
      { terms: { conversation: [...query.readable.keys()] } },
      { term: { found: true } },
      ...(query.senderIds ? [{ terms: { sender: query.senderIds } }] : []),
      ...(query.hasAttachment === undefined ? [] : [{ term: { attached: query.hasAttachment } }]),
      ...rangeOf(query.fromMs, query.untilMs, upToMs),
    ],
  },
});

const byTime = [{ accepted: 'desc' }, { seq: 'desc' }, { key: 'desc' }];
export const sortOf = (order: IndexQuery['order']): object[] =>
  order === 'newest' ? byTime : [{ _score: 'desc' }, ...byTime];
