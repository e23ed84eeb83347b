/** The only writer of the index: makes terms of texts and keeps them, one transaction a call. */
import { hash } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { inTransaction } from '@caas/sqlite/handler';
import type { IndexBatch, IndexDocument } from '../port.ts';
import { termsOf } from '../text/tokens.ts';
import { Numbers } from './numbers.ts';
import { maxMs, placeTerm, slotBits } from './schema.ts';

export { migrations } from './schema.ts';

/** Page cache, in KiB. */
const cacheKiB = 65_536;
/**
 * Pages of the write-ahead log after which it is moved to the file. Words touch many pages over and over: moved seldom, each is
 * written once, and the disk is left to what waits for it.
 */
const checkpointPages = 16_384;
/** Messages one transaction of a purge takes out, so that what waits for the writer waits briefly. */
const purgeSlice = 200;

interface Stored {
  id: bigint;
  version: bigint;
  found: bigint;
}

const slots = 1n << slotBits;
/** Those of a conversation and a millisecond are in their order. */
const firstId = ({ acceptedAtMs, conversationId, seq }: IndexDocument): bigint => {
  const ms = BigInt(Math.min(Math.max(Math.trunc(acceptedAtMs), 0), maxMs));
  const slot = (BigInt(`0x${hash('sha256', conversationId, 'hex').slice(0, 12)}`) + BigInt(seq)) % slots;
  return (ms << slotBits) | slot;
};

export const open = (db: DatabaseSync) => {
  // It is written anew from the store when it is lost, so a commit need not wait for the disk. What is taken out is zeroed.
  db.exec(`PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON; PRAGMA cache_size = -${cacheKiB};
    PRAGMA wal_autocheckpoint = ${checkpointPages}`);
  const conversations = new Numbers(db, 'conversation');
  const senders = new Numbers(db, 'sender');
  const bigints = (sql: string) => {
    const statement = db.prepare(sql);
    statement.setReadBigInts(true);
    return statement;
  };
  const stored = bigints('SELECT id, version, found FROM message WHERE conv = ? AND message_id = ?');
  const isTaken = db.prepare('SELECT 1 FROM message WHERE id = ?');
  const insert = db.prepare('INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)');
  const update = db.prepare(
    'UPDATE message SET seq = ?, version = ?, sender = ?, attached = ?, found = ?, trace = ?, indexed_ms = ? WHERE id = ?',
  );
  const readTerms = db.prepare('SELECT terms FROM body WHERE id = ?');
  const keepTerms = db.prepare('INSERT INTO body VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET terms = excluded.terms');
  const dropTerms = db.prepare('DELETE FROM body WHERE id = ?');
  const addWords = db.prepare('INSERT INTO words (rowid, terms, place) VALUES (?, ?, ?)');
  const takeWords = db.prepare("INSERT INTO words (words, rowid, terms, place) VALUES ('delete', ?, ?, ?)");
  const keepRev = db.prepare('UPDATE conversation SET rev = max(rev, ?) WHERE conv = ?');
  const keepMark = db.prepare('INSERT INTO mark VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value');
  const ofSender = bigints('SELECT id, conv FROM message WHERE sender = ? AND found = 1 LIMIT ?');
  const tombstone = db.prepare('UPDATE message SET found = 0, attached = 0, version = version + 1 WHERE id = ?');

  const termsAt = (id: bigint): string => readTerms.get(id)?.['terms'] as string;
  const forget = (id: bigint, place: string): void => {
    takeWords.run(id, termsAt(id), place);
    dropTerms.run(id);
  };

  /** Whether it took text out. */
  const put = (document: IndexDocument, rewrite: boolean): boolean => {
    const { content, tenantId } = document;
    const conv = conversations.give(tenantId, document.conversationId);
    const sender = senders.give(tenantId, document.senderId);
    // Even ones are the store's; odd ones are where a purge took the version before out.
    const version = document.version * 2;
    const before = stored.get(conv, document.messageId) as unknown as Stored | undefined;
    if (before && before.version > version) return false;
    const terms = content && termsOf([content.text, ...content.names]);
    const place = placeTerm(conv);
    let id = before?.id ?? firstId(document);
    if (!before) while (isTaken.get(id)) id = (id & ~(slots - 1n)) | ((id + 1n) & (slots - 1n));
    const wasFound = before?.found === 1n;
    const same = wasFound && !rewrite && terms !== undefined && termsAt(id) === terms;
    const takesOut = wasFound && !same;
    if (takesOut) forget(id, place);
    const columns = [
      ...[document.seq, version, sender, document.hasAttachment ? 1 : 0, terms === undefined ? 0 : 1],
      ...[Buffer.from(document.traceId, 'hex'), Date.now()],
    ];
    if (before) update.run(...columns, id);
    else insert.run(id, conv, document.messageId, ...columns);
    if (terms === undefined || same) return takesOut;
    addWords.run(id, terms, place);
    keepTerms.run(id, terms);
    return takesOut;
  };

  const transaction = <R>(work: () => R): R => {
    try {
      return inTransaction(db, work);
    } catch (thrown) {
      conversations.forget();
      senders.forget();
      throw thrown;
    }
  };

  return {
    /** Whether text was taken out, which the write-ahead log still has. */
    apply: ({ documents, progress = [], marks = {}, rewrite = false }: IndexBatch): boolean =>
      transaction(() => {
        let tookOut = false;
        for (const document of documents) tookOut = put(document, rewrite) || tookOut;
        for (const { tenantId, conversationId, rev } of progress)
          keepRev.run(rev, conversations.give(tenantId, conversationId));
        for (const [name, value] of Object.entries(marks)) keepMark.run(name, value);
        return tookOut;
      }),
    /** Takes some of a sender's messages out; 0: there are no more. */
    purge: ({ tenantId, senderId }: { tenantId: string; senderId: string }): number =>
      transaction(() => {
        const sender = senders.find(tenantId, senderId);
        if (sender === undefined) return 0;
        const rows = ofSender.all(sender, purgeSlice) as unknown as { id: bigint; conv: bigint }[];
        for (const { id, conv } of rows) {
          forget(id, placeTerm(conv));
          tombstone.run(id);
        }
        return rows.length;
      }),
    /** Moves what was written to the file and empties the write-ahead log, which has pages of before. */
    checkpoint: (): boolean => Number(db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()?.['busy']) === 0,
  };
};
