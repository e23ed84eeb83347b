import { fail } from '@caas/kit';
import { created, type MongoEngine } from '@caas/mongo';
import { ConversationDocument } from '@caas/proto/caas/events/v1/documents';
import type { Collection } from 'mongodb';
import { bounded } from '../limits.ts';
import type { ConversationRole } from '../port.ts';
import { commitHeads } from './commits.ts';
import { byId, decoded, select } from './reads.ts';
import { type CounterRow, conversationId, int64 } from './rows.ts';
import { conversationsOf, countersOf, shardsOf } from './schema.ts';

const epochCounter = 'epoch';

/** The next number of the counter, given to nobody else; undefined when there is no counter. */
const counted = async (counters: Collection<CounterRow>): Promise<number | undefined> => {
  const count = { $inc: { value: int64(1) } };
  const counter = await counters.findOneAndUpdate({ _id: epochCounter }, count, { returnDocument: 'after' });
  return counter ? Number(counter.value) : undefined;
};

const nextEpoch = async (counters: Collection<CounterRow>): Promise<number> => {
  const epoch = await counted(counters);
  if (epoch !== undefined) return epoch;
  // The first claim of all; of several at the same time one makes the counter.
  await created(counters, { _id: epochCounter, value: int64(0) });
  return (await counted(counters)) ?? fail('INTERNAL', 'the counter of epochs is gone');
};

/** Between these are the ids of a tenant's conversations, and no others. */
const idsOf = (tenantId: string) => {
  const first = conversationId({ tenantId, conversationId: '' });
  return { first, last: `${first}\u{10ffff}` };
};

export const conversationRole = (engine: MongoEngine): ConversationRole => ({
  getMany: (keys) => engine.run((db) => byId(conversationsOf(db), keys.map(conversationId), ConversationDocument)),
  list: (after, limit, tenantId) =>
    engine.run(async (db) => {
      const ids = {
        ...(after ? { $gt: conversationId(after) } : tenantId !== undefined && { $gt: idsOf(tenantId).first }),
        ...(tenantId !== undefined && { $lt: idsOf(tenantId).last }),
      };
      const filter = Object.keys(ids).length > 0 ? { _id: ids } : {};
      const rows = await select(conversationsOf(db), { filter, sort: { _id: 1 }, limit }, ['body']);
      return decoded(ConversationDocument, rows);
    }),
  commit: async (commits) => {
    bounded(commits.length);
    return commits.length === 0 ? [] : engine.run((db) => commitHeads(conversationsOf(db), commits));
  },
  // One counter for all shards, so that an epoch is greater than any given before for any of them.
  claimShard: (shard) =>
    engine.run(async (db) => {
      const epoch = await nextEpoch(countersOf(db));
      const shards = shardsOf(db);
      const claim = { $max: { epoch: int64(epoch) } };
      const { matchedCount } = await shards.updateOne({ _id: shard }, claim);
      if (matchedCount > 0) return epoch;
      // The first claim of the shard; of several at the same time one makes the document, and the greatest epoch stays.
      await created(shards, { _id: shard, epoch: int64(epoch), position: '{}' });
      await shards.updateOne({ _id: shard }, claim);
      return epoch;
    }),
  shardPosition: (shard) =>
    engine.run(async (db) => JSON.parse((await shardsOf(db).findOne({ _id: shard }))?.position ?? '{}')),
  keepShardPosition: (shard, epoch, position) =>
    engine.run(async (db) => {
      const kept = { $set: { position: JSON.stringify(position) } };
      const { matchedCount } = await shardsOf(db).updateOne({ _id: shard, epoch: int64(epoch) }, kept);
      return matchedCount > 0;
    }),
});
