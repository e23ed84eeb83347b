/** Entry of the thread that owns one database: opens it, migrates it, then serves calls one after the other. */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { type HandlerModule, inTransaction, transfersOf } from './handler.ts';
import type { Fault, FromThread, ThreadOptions, ToThread } from './messages.ts';

const port = parentPort as MessagePort;
const thread = workerData as ThreadOptions;
const post = (message: FromThread, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer);

const toFault = (thrown: unknown): Fault => {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  return { message: error.message, stack: error.stack, sqliteCode: (error as { errcode?: number }).errcode };
};

const openDatabase = (): DatabaseSync => {
  if (thread.file !== ':memory:') mkdirSync(dirname(thread.file), { recursive: true });
  const db = new DatabaseSync(thread.file, { timeout: thread.busyTimeoutMs, enableForeignKeyConstraints: true });
  // Exclusive must come before WAL: then no other process can open the file, and no shared memory is needed.
  if (thread.exclusive) db.exec('PRAGMA locking_mode = EXCLUSIVE');
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;');
  return db;
};

const migrate = (db: DatabaseSync, migrations: readonly string[]): void => {
  const versionOf = (): number => Number(db.prepare('PRAGMA user_version').get()?.['user_version']);
  if (versionOf() > migrations.length)
    throw new Error(`schema ${versionOf()} of ${thread.file} is newer than this program knows (${migrations.length})`);
  if (versionOf() === migrations.length) return;
  inTransaction(db, () => {
    // Read again inside the transaction: another process may have migrated meanwhile.
    for (let version = versionOf(); version < migrations.length; version += 1) {
      db.exec(migrations[version] as string);
      db.exec(`PRAGMA user_version = ${version + 1}`);
    }
  });
};

const close = (db: DatabaseSync): void => {
  try {
    // So that a copy of the one file is a complete backup after a clean stop; without it the WAL is replayed at open.
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  } finally {
    db.close();
    port.close();
  }
};

try {
  const db = openDatabase();
  const module = (await import(thread.module)) as HandlerModule;
  migrate(db, module.migrations);
  const handlers = module.open(db, thread.options as never) as Record<string, (args: unknown) => unknown>;
  const serve = (message: ToThread): void => {
    if (message.kind === 'close') {
      close(db);
      return;
    }
    try {
      const handler = handlers[message.method];
      if (!handler) throw new TypeError(`no method ${message.method}`);
      const value = handler(message.args);
      post({ kind: 'result', id: message.id, value }, transfersOf(value));
    } catch (thrown) {
      post({ kind: 'fault', id: message.id, fault: toFault(thrown) });
    }
  };
  port.on('message', serve);
  post({ kind: 'ready' });
} catch (thrown) {
  post({ kind: 'broken', fault: toFault(thrown) });
  port.close();
}
