/**
 * A message's id is when it was accepted, in milliseconds, then `slotBits` bits that tell those of one millisecond apart:
 * the words table lists its matches by id, so the newest come first without a look at the others.
 */
export const slotBits = 21n;
export const maxMs = 2 ** 42 - 1;

/** Name of a conversation among the terms, so that a search of few conversations reads no others' matches. */
export const placeTerm = (conv: number | bigint): string => `k${conv}`;

/**
 * The words table has no text of its own; to take a row out it is given the terms of the row, which `body` keeps. With
 * secure-delete its terms leave the index at once, not when segments are merged.
 */
export const migrations = [
  `CREATE TABLE conversation (
     conv INTEGER PRIMARY KEY, tenant_id TEXT NOT NULL, conversation_id TEXT NOT NULL, rev INTEGER NOT NULL DEFAULT 0,
     UNIQUE (tenant_id, conversation_id)) STRICT;
   CREATE TABLE sender (
     sender INTEGER PRIMARY KEY, tenant_id TEXT NOT NULL, user_id TEXT NOT NULL, UNIQUE (tenant_id, user_id)) STRICT;
   CREATE TABLE message (
     id INTEGER PRIMARY KEY, conv INTEGER NOT NULL, message_id TEXT NOT NULL, seq INTEGER NOT NULL,
     version INTEGER NOT NULL, sender INTEGER NOT NULL, attached INTEGER NOT NULL, found INTEGER NOT NULL,
     UNIQUE (conv, message_id)) STRICT;
   CREATE INDEX message_sender ON message (sender) WHERE found = 1;
   CREATE TABLE body (id INTEGER PRIMARY KEY, terms TEXT NOT NULL) STRICT;
   CREATE VIRTUAL TABLE words USING fts5(terms, place, content = '', columnsize = 0, tokenize = 'ascii', prefix = '1 2');
   INSERT INTO words (words, rank) VALUES ('secure-delete', 1);
   CREATE TABLE mark (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;`,
  `ALTER TABLE message ADD COLUMN trace BLOB NOT NULL DEFAULT x'';
   ALTER TABLE message ADD COLUMN indexed_ms INTEGER NOT NULL DEFAULT 0;`,
];
