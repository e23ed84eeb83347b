import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { type MessageStore, openSqliteMessageStore } from '@caas/message-store';
import { openMongoMessageStore } from '@caas/message-store/mongo';
import { type Document, MongoClient } from 'mongodb';

/** A store, and the same engine with nothing in front. */
export interface PersistEngine {
  name: string;
  store: MessageStore;
  /** Takes the messages the store has written out of it, as the rows they are. */
  take(): Promise<RawRows>;
  close(): Promise<void>;
}
export interface RawRows {
  count: number;
  /** Writes rows [from, to) durably, in one command. */
  insert(from: number, to: number): Promise<void>;
}

/** MongoDB at MONGODB_URL; rows go into a collection with the same indexes, by insertMany, under the same write concern. */
export const mongoEngine = async (url: string): Promise<PersistEngine> => {
  const database = `bench_persist_${process.pid}`;
  const store = await openMongoMessageStore({ url, database });
  const client = new MongoClient(url, { writeConcern: { w: 'majority', journal: true } });
  const db = client.db(database);
  const { version } = await db.admin().serverInfo();
  return {
    name: `MongoDB (says ${version})`,
    store,
    async take() {
      const messages = db.collection<Document>('messages');
      const rows = await messages.find().toArray();
      const indexes = (await messages.listIndexes().toArray()).filter(({ name }) => name !== '_id_');
      await messages.deleteMany({});
      const raw = db.collection('raw');
      await raw.drop().catch(() => undefined);
      await raw.createIndexes(indexes.map(({ name, key, sparse }) => ({ name, key, ...(sparse && { sparse }) })));
      return {
        count: rows.length,
        insert: async (from, to) => void (await raw.insertMany(rows.slice(from, to), { ordered: false })),
      };
    },
    async close() {
      await db.dropDatabase();
      await client.close();
      await store.close();
    },
  };
};

/** SQLite as npm start has it; rows go into the same table of another file, a transaction a batch. */
export const sqliteEngine = async (): Promise<PersistEngine> => {
  const parent = join(import.meta.dirname, '../../.cache/bench');
  await mkdir(parent, { recursive: true });
  const folder = await mkdtemp(join(parent, 'persist-'));
  const file = join(folder, 'messages.db');
  const store = await openSqliteMessageStore({ file });
  const raws: DatabaseSync[] = [];
  return {
    name: 'SQLite',
    store,
    async take() {
      const source = new DatabaseSync(file, { timeout: 5_000 });
      const rows = source.prepare('SELECT * FROM message').all() as Record<string, SQLInputValue>[];
      const schema = source
        .prepare("SELECT sql FROM sqlite_master WHERE tbl_name = 'message' AND sql IS NOT NULL")
        .all();
      source.exec('DELETE FROM message');
      source.close();
      const raw = new DatabaseSync(join(folder, `raw-${raws.length}.db`));
      raws.push(raw);
      raw.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536');
      for (const { sql } of schema) raw.exec(sql as string);
      const columns = Object.keys(rows[0] ?? {});
      const insert = raw.prepare(`INSERT INTO message VALUES (${columns.map(() => '?').join(', ')})`);
      return {
        count: rows.length,
        async insert(from, to) {
          raw.exec('BEGIN');
          for (const row of rows.slice(from, to)) insert.run(...(Object.values(row) as SQLInputValue[]));
          raw.exec('COMMIT');
        },
      };
    },
    async close() {
      for (const raw of raws) raw.close();
      await store.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
};
