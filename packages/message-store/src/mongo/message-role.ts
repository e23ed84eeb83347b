import { duplicateKey, type MongoEngine, refusedOf } from '@caas/mongo';
import { type HiddenDocument, MessageDocument } from '@caas/proto/caas/events/v1/documents';
import type { AnyBulkWriteOperation } from 'mongodb';
import { bounded } from '../limits.ts';
import { type Extent, type MessageRole, maxDocumentsPerCall, type ParticipantKey, type Stretch } from '../port.ts';
import { writeGuarded } from './guarded-writes.ts';
import { byId, decoded, type Selection, select, selectWithin } from './reads.ts';
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
import { hiddenOf, messagesOf } from './schema.ts';
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
        const options = {
          sort: { seq: 1 },
          projection: { _id: 0, message: 1 },
          batchSize: maxDocumentsPerCall,
        } as const;
        return (await hiddenOf(db).find(filter, options).toArray()).map(({ message }) => message);
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
      const selection: Selection<HiddenRow> = {
        filter: { ...ofUser(key), rev: { $gt: int64(afterRev) } },
        sort: { rev: 1 },
        limit,
      };
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
  const stretch = async (
    selection: Omit<Selection<MessageRow>, 'limit'>,
    extent: Extent,
    ...judged: (keyof MessageRow & string)[]
  ): Promise<Stretch> => {
    const fields = ['body', ...judged] as const;
    const { rows, more } = await engine.run((db) => selectWithin(messagesOf(db), selection, extent, fields));
    return { documents: decoded(MessageDocument, rows), more };
  };
  return {
    write: async (documents) => {
      bounded(documents.length);
      if (documents.length === 0) return;
      const rows = documents.map(messageRow);
      await engine.run((db) => writeGuarded(messagesOf(db), rows, seemsNew(documents)));
    },
    getMany: (keys) => engine.run((db) => byId(messagesOf(db), keys.map(messageId), MessageDocument)),
    page: async (key, { fromSeq, toSeq, from, ...extent }) => {
      const filter = { ...within(key), seq: { $gte: int64(fromSeq), $lte: int64(toSeq) } };
      const oldest = from === 'oldest';
      const { documents } = await stretch({ filter, sort: { seq: oldest ? 1 : -1 } }, extent);
      return oldest ? documents : documents.reverse();
    },
    changedSince: (key, afterRev, lastSeq, extent) => {
      const filter = { ...within(key), rev: { $gt: int64(afterRev) } };
      // Only what is written and not yet committed is past the head.
      return stretch({ filter, sort: { rev: 1 }, keep: ({ seq }) => Number(seq) <= lastSeq }, extent, 'seq');
    },
    thread: (key, afterSeq, lastSeq, extent) => {
      const filter = { thread: messageId(key), threadSeq: { $gt: int64(afterSeq), $lte: int64(lastSeq) } };
      return stretch({ filter, sort: { threadSeq: 1 } }, extent);
    },
    pinned: (key, lastSeq, extent) =>
      stretch(
        {
          filter: { pinnedIn: conversationId(key) },
          sort: { pinnedAt: -1, pinnedSeq: -1 },
          keep: ({ pinnedSeq }) => Number(pinnedSeq) <= lastSeq,
        },
        extent,
        'pinnedSeq',
      ),
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
