import type { DatabaseSync } from 'node:sqlite';
import { inTransaction, withTransfer } from '../handler.ts';

/** The worker half of an example adapter, with ways to misbehave. */
export const migrations = [
  'CREATE TABLE note (id TEXT PRIMARY KEY, body BLOB NOT NULL) STRICT',
  'ALTER TABLE note ADD COLUMN written_at_ms INTEGER NOT NULL DEFAULT 0',
];

export const open = (db: DatabaseSync, options: { maxPages?: number } = {}) => {
  const insert = db.prepare('INSERT INTO note (id, body, written_at_ms) VALUES (?, ?, ?)');
  const select = db.prepare('SELECT body FROM note WHERE id = ?');
  const limitPages = (pages: number): void => db.exec(`PRAGMA max_page_count = ${pages}`);
  if (options.maxPages) limitPages(options.maxPages);
  return {
    put: (notes: readonly { id: string; body: Uint8Array }[]): void =>
      inTransaction(db, () => {
        for (const note of notes) insert.run(note.id, note.body, 1);
      }),
    get: (id: string): { body: Uint8Array } | undefined => {
      const row = select.get(id) as { body: Uint8Array<ArrayBuffer> } | undefined;
      return row && withTransfer({ body: row.body }, [row.body.buffer]);
    },
    limitPages,
    schema: (): number => Number(db.prepare('PRAGMA user_version').get()?.['user_version']),
    block: (ms: number): void => {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
    },
    die: (): void => process.exit(1),
  };
};
