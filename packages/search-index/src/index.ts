export * from './port.ts';
export { openSqliteSearchIndex, type SqliteSearchIndexOptions } from './sqlite-search-index.ts';
export { type Matches, matchesIn, type Range } from './text/match.ts';
export { type Clause, maxQueryClauses, parseQuery } from './text/query.ts';
export { type Snippet, snippetOf } from './text/snippet.ts';
export { tokensOf } from './text/tokens.ts';
