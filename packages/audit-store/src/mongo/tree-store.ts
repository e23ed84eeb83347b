import { hashBytes } from '@caas/compliance-client/merkle';
import { fail } from '@caas/kit';
import { duplicateKey, type MongoEngine } from '@caas/mongo';
import { Binary, type Collection, type Filter, MongoBulkWriteError } from 'mongodb';
import { atMost } from '../limits.ts';
import {
  type EntryQuery,
  maxEntriesPerCall,
  maxSubtreesPerCall,
  type NewEntry,
  type TreeHead,
  type TreeStore,
} from '../port.ts';
import { type EntryRow, entriesOf, entryKey } from './schema.ts';

const areaOf = (action: string): string => action.split('.', 1)[0] as string;
const bytesOf = (binary: Binary): Uint8Array => Uint8Array.from(binary.value());

const rowOf = (tenantId: string, index: number, entry: NewEntry): EntryRow => ({
  _id: entryKey(tenantId, index),
  tenant: tenantId,
  index,
  event: entry.eventId,
  at: entry.atMs,
  actor: entry.actorId,
  subject: entry.subjectId,
  area: areaOf(entry.action),
  action: entry.action,
  ...(entry.traceId !== '' && { trace: entry.traceId }),
  logged: entry.loggedAtMs,
  leaf: new Binary(entry.leaf),
  subtrees: new Binary(Buffer.concat(entry.subtrees)),
});

const headOf = async (entries: Collection<EntryRow>, tenantId: string): Promise<TreeHead> => {
  const last = await entries.findOne(
    { tenant: tenantId },
    { sort: { index: -1 }, projection: { _id: 0, index: 1, logged: 1 } },
  );
  return last ? { size: last.index + 1, loggedAtMs: last.logged } : { size: 0, loggedAtMs: 0 };
};

/** Inserts rows in order, and none after one that is taken; answers how many. */
const insertInOrder = async (entries: Collection<EntryRow>, rows: EntryRow[]): Promise<number> => {
  try {
    await entries.insertMany(rows, { ordered: true });
    return rows.length;
  } catch (thrown) {
    const taken =
      thrown instanceof MongoBulkWriteError &&
      thrown.code === duplicateKey &&
      thrown.result.getWriteConcernError() === undefined;
    if (taken) return thrown.insertedCount;
    throw thrown;
  }
};

const filterOf = ({ tenantId, actorId, subjectId, action, traceId, fromMs, untilMs, after }: EntryQuery) => {
  const at = { ...(fromMs !== undefined && { $gte: fromMs }), ...(untilMs !== undefined && { $lt: untilMs }) };
  const filter: Filter<EntryRow> = {
    tenant: tenantId,
    ...(actorId !== undefined && { actor: actorId }),
    ...(subjectId !== undefined && { subject: subjectId }),
    ...(action !== undefined && { area: areaOf(action) }),
    ...(action !== undefined && !action.endsWith('.*') && { action }),
    ...(traceId !== undefined && { trace: traceId }),
    ...(Object.keys(at).length > 0 && { at }),
  };
  if (!after) return filter;
  const later = [{ at: { $lt: after.atMs } }, { at: after.atMs, index: { $lt: after.index } }];
  return { $and: [filter, { at: { $lte: after.atMs } }, { $or: later }] } as Filter<EntryRow>;
};

export const treeStore = (engine: MongoEngine): TreeStore => ({
  head: (tenantId) => engine.run((db) => headOf(entriesOf(db), tenantId)),
  known: async (tenantId, eventIds) => {
    atMost('maxEntriesPerCall', eventIds.length, maxEntriesPerCall);
    if (eventIds.length === 0) return [];
    const filter = { tenant: tenantId, event: { $in: [...eventIds] } };
    const rows = await engine.run((db) =>
      entriesOf(db)
        .find(filter, { projection: { _id: 0, event: 1 }, batchSize: eventIds.length })
        .toArray(),
    );
    return rows.map(({ event }) => event);
  },
  append: async (tenantId, size, entries) => {
    atMost('maxEntriesPerCall', entries.length, maxEntriesPerCall);
    if (entries.length === 0) return 0;
    return engine.run(async (db) => {
      // Who believes in a larger tree than there is must not leave a gap; who believes in a smaller one finds its place taken.
      if ((await headOf(entriesOf(db), tenantId)).size !== size) return 0;
      return insertInOrder(
        entriesOf(db),
        entries.map((entry, i) => rowOf(tenantId, size + i, entry)),
      );
    });
  },
  leaves: async (tenantId, from, limit) => {
    atMost('maxEntriesPerCall', limit, maxEntriesPerCall);
    if (limit < 1) return [];
    const filter = { tenant: tenantId, index: { $gte: from, $lt: from + limit } };
    const rows = await engine.run((db) =>
      entriesOf(db)
        .find(filter, { sort: { index: 1 }, projection: { _id: 0, leaf: 1 }, batchSize: limit })
        .toArray(),
    );
    return rows.map(({ leaf }) => bytesOf(leaf));
  },
  subtrees: async (tenantId, subtrees) => {
    atMost('maxSubtreesPerCall', subtrees.length, maxSubtreesPerCall);
    if (subtrees.length === 0) return [];
    const ids = [...new Set(subtrees.map(({ last }) => entryKey(tenantId, last)))];
    const rows = await engine.run((db) =>
      entriesOf(db)
        .find({ _id: { $in: ids } }, { projection: { subtrees: 1 }, batchSize: ids.length })
        .toArray(),
    );
    const kept = new Map(rows.map((row) => [row._id, bytesOf(row.subtrees)]));
    return subtrees.map(({ last, level }) => {
      const hash = kept.get(entryKey(tenantId, last))?.slice(level * hashBytes, (level + 1) * hashBytes);
      return hash?.length === hashBytes ? hash : fail('NOT_FOUND', 'there is no such subtree');
    });
  },
  query: async (query) => {
    atMost('maxEntriesPerCall', query.limit, maxEntriesPerCall);
    // To MongoDB a limit of 0 is none.
    if (query.limit < 1) return [];
    const rows = await engine.run((db) =>
      entriesOf(db)
        .find(filterOf(query), {
          sort: { at: -1, index: -1 },
          limit: query.limit,
          batchSize: query.limit,
          projection: { _id: 0, index: 1, at: 1, leaf: 1 },
        })
        .toArray(),
    );
    return rows.map(({ index, at, leaf }) => ({ index, atMs: at, leaf: bytesOf(leaf) }));
  },
});
