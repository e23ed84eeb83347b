import { duplicateKey, type MongoEngine, refusedOf } from '@caas/mongo';
import { type HiddenDocument, MessageDocument } from '@caas/proto/caas/events/v1/documents';
import type { AnyBulkWriteOperation } from 'mongodb';
import { bounded } from '../limits.ts';
import { type ConversationKey, type MessageRole, maxDocumentsPerCall, type ParticipantKey } from '../port.ts';
import { writeGuarded } from './guarded-writes.ts';
import { byId, type Selection, select, selectBodies } from './reads.ts';
import {
  conversationId,
  type HiddenRow,
  hiddenId,
  hiddenRow,
  int64,
  type MessageRow,
  messageId,
  messageRow,
  within,
} from './rows.ts';
import { hiddenOf, index, messagesOf } from './schema.ts';
import { countAllUnread } from './unread.ts';

/** A message that nothing but its send has touched yet. */
const seemsNew = (documents: readonly MessageDocument[]): ((row: MessageRow) => boolean) => {
  const touched = new Set<string>();
  for (const d of documents)
    if (d.editCount > 0 || d.deletedAtMs > 0 || d.pinnedAtMs > 0 || d.reactions.length > 0) touched.add(messageId(d));
  return (row) => !touched.has(row._id);
};

const hiding = ({ rev, ...row }: HiddenRow): AnyBulkWriteOperation<HiddenRow> => {
  const { _id, tenant, conversation, ...rest } = row;
  return {
    updateOne: { filter: { _id, tenant, conversation }, update: { $setOnInsert: rest, $max: { rev } }, upsert: true },
  };
};

const hiddenReads = (engine: MongoEngine): Pick<MessageRole, 'hiddenIn' | 'areHidden' | 'hiddenSince'> => {
  const ofUser = (key: ParticipantKey) => ({ ...within(key), user: key.userId });
  return {
    hiddenIn: (key, fromSeq, toSeq) =>
      engine.run(async (db) => {
        const filter = { ...ofUser(key), seq: { $gte: int64(fromSeq), $lte: int64(toSeq) } };
        const cursor = hiddenOf(db).find(filter, {
          hint: index.hiddenSeq.key,
          sort: { seq: 1 },
          projection: { _id: 0, message: 1 },
          batchSize: maxDocumentsPerCall,
        });
        return (await cursor.toArray()).map(({ message }) => message);
      }),
    areHidden: async (keys) => {
      bounded(keys.length);
      if (keys.length === 0) return [];
      const ids = keys.map(hiddenId);
      const cursor = { projection: { _id: 1 }, batchSize: ids.length };
      const found = await engine.run((db) =>
        hiddenOf(db)
          .find({ _id: { $in: ids } }, cursor)
          .toArray(),
      );
      const there = new Set(found.map(({ _id }) => _id));
      return ids.map((id) => there.has(id));
    },
    hiddenSince: async (key, afterRev, limit) => {
      const filter = { ...ofUser(key), rev: { $gt: afterRev } };
      const selection: Selection<HiddenRow> = { filter, index: index.hiddenRev, sort: { rev: 1 }, limit };
      const rows = await engine.run((db) => select(hiddenOf(db), selection, ['message', 'seq', 'rev']));
      const { tenantId, conversationId, userId } = key;
      return rows.map(({ message, seq, rev }): HiddenDocument => {
        const numbers = { seq: Number(seq), rev: Number(rev) };
        return { tenantId, conversationId, userId, messageId: message, ...numbers };
      });
    },
  };
};

export const messageRole = (engine: MongoEngine): MessageRole => {
  const selected = (selection: Selection<MessageRow>): Promise<MessageDocument[]> =>
    engine.run((db) => selectBodies(messagesOf(db), selection, MessageDocument));
  const upTo = (key: ConversationKey, lastSeq: number) => ({ ...within(key), seq: { $lte: lastSeq } });
  return {
    write: async (documents) => {
      bounded(documents.length);
      if (documents.length === 0) return;
      const rows = documents.map(messageRow);
      await engine.run((db) => writeGuarded(messagesOf(db), rows, seemsNew(documents)));
    },
    getMany: (keys) => engine.run((db) => byId(messagesOf(db), keys.map(messageId), MessageDocument)),
    page: async (key, { fromSeq, toSeq, limit, from }) => {
      const filter = { ...within(key), seq: { $gte: fromSeq, $lte: toSeq } };
      const oldest = from === 'oldest';
      const page = await selected({ filter, index: index.messageSeq, sort: { seq: oldest ? 1 : -1 }, limit });
      return oldest ? page : page.reverse();
    },
    changedSince: (key, afterRev, lastSeq, limit) => {
      const filter = { ...upTo(key, lastSeq), rev: { $gt: afterRev } };
      return selected({ filter, index: index.messageRev, sort: { rev: 1 }, limit });
    },
    thread: (key, afterSeq, lastSeq, limit) => {
      const filter = { ...within(key), thread: messageId(key), threadSeq: { $gt: afterSeq, $lte: lastSeq } };
      return selected({ filter, index: index.messageThread, sort: { threadSeq: 1 }, limit });
    },
    pinned: (key, lastSeq, limit) => {
      const filter = { ...within(key), pinnedIn: conversationId(key), pinnedSeq: { $lte: lastSeq } };
      return selected({ filter, index: index.messagePinned, sort: { pinnedAt: -1, pinnedSeq: -1 }, limit });
    },
    countUnread: async (queries) => {
      bounded(queries.length);
      return engine.run((db) => countAllUnread(messagesOf(db), queries));
    },
    hide: async (documents) => {
      bounded(documents.length);
      if (documents.length === 0) return;
      const operations = documents.map((document) => hiding(hiddenRow(document)));
      await engine.run(async (db) => {
        // Two first hidings at the same time: one finds the other's document the second time.
        const taken = await refusedOf(hiddenOf(db), operations, [duplicateKey]);
        const again = taken.map((i) => operations[i] as AnyBulkWriteOperation<HiddenRow>);
        if (again.length > 0) await hiddenOf(db).bulkWrite(again, { ordered: false });
      });
    },
    ...hiddenReads(engine),
  };
};
