import { isDuplicate, type MongoEngine } from '@caas/mongo';
import { ConversationDocument } from '@caas/proto/caas/events/v1/documents';
import type { Collection } from 'mongodb';
import { bounded } from '../limits.ts';
import type { ConversationRole } from '../port.ts';
import { commitHeads } from './commits.ts';
import { byId } from './reads.ts';
import { type CounterRow, conversationId, int64 } from './rows.ts';
import { conversationsOf, countersOf } from './schema.ts';

const epochCounter = 'epoch';

/** The next number of the counter, given to nobody else. */
const next = async (counters: Collection<CounterRow>): Promise<number> => {
  const counted = await counters.findOneAndUpdate(
    { _id: epochCounter },
    { $inc: { value: int64(1) } },
    { upsert: true, returnDocument: 'after' },
  );
  return Number(counted?.value);
};

export const conversationRole = (engine: MongoEngine): ConversationRole => ({
  getMany: (keys) => engine.run((db) => byId(conversationsOf(db), keys.map(conversationId), ConversationDocument)),
  commit: async (commits) => {
    bounded(commits.length);
    return commits.length === 0 ? [] : engine.run((db) => commitHeads(conversationsOf(db), commits));
  },
  // One counter for all shards, so that an epoch is greater than any given before for any of them.
  claimShard: () =>
    engine.run(async (db) => {
      const counters = countersOf(db);
      try {
        return await next(counters);
      } catch (thrown) {
        // Two first claims at the same time: the counter is there now.
        if (isDuplicate(thrown)) return next(counters);
        throw thrown;
      }
    }),
});
