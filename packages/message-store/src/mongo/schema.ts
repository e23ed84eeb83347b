import type { CollectionIndexes } from '@caas/mongo';
import type { Collection, Db } from 'mongodb';
import type { ConversationRow, CounterRow, HiddenRow, MessageRow, ParticipantRow, ShardRow } from './rows.ts';

/**
 * The indexes of the message store's collections, one a way to read. Conversations and counters are found by `_id` alone.
 * Sparse ones have the few messages that are pinned or in a thread, and cost the others nothing.
 */
export const mongoMessageIndexes: readonly CollectionIndexes[] = [
  {
    collection: 'messages',
    indexes: [
      { name: 'seq', key: { tenant: 1, conversation: 1, seq: 1 } },
      { name: 'rev', key: { tenant: 1, conversation: 1, rev: 1 } },
      { name: 'quiet', key: { tenant: 1, conversation: 1, quietFor: 1, seq: 1 } },
      { name: 'thread', key: { thread: 1, threadSeq: 1 }, sparse: true },
      { name: 'pinned', key: { pinnedIn: 1, pinnedAt: 1, pinnedSeq: 1 }, sparse: true },
    ],
  },
  {
    collection: 'participants',
    indexes: [
      { name: 'member', key: { tenant: 1, conversation: 1, user: 1 } },
      { name: 'active_member', key: { tenant: 1, conversation: 1, active: 1, user: 1 } },
      { name: 'rev', key: { tenant: 1, conversation: 1, rev: 1 } },
      { name: 'user', key: { tenant: 1, user: 1, conversation: 1 } },
      { name: 'active_user', key: { tenant: 1, active: 1, user: 1, conversation: 1 } },
    ],
  },
  {
    collection: 'hidden',
    indexes: [
      { name: 'seq', key: { tenant: 1, conversation: 1, user: 1, seq: 1 } },
      { name: 'rev', key: { tenant: 1, conversation: 1, user: 1, rev: 1 } },
    ],
  },
];

export const messagesOf = (db: Db): Collection<MessageRow> => db.collection('messages');
export const conversationsOf = (db: Db): Collection<ConversationRow> => db.collection('conversations');
export const participantsOf = (db: Db): Collection<ParticipantRow> => db.collection('participants');
export const hiddenOf = (db: Db): Collection<HiddenRow> => db.collection('hidden');
export const shardsOf = (db: Db): Collection<ShardRow> => db.collection('shards');
export const countersOf = (db: Db): Collection<CounterRow> => db.collection('counters');
