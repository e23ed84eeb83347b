import type { CollectionIndexes, IndexDeclaration } from '@caas/mongo';
import type { Collection, Db } from 'mongodb';
import type { ConversationRow, CounterRow, HiddenRow, MessageRow, ParticipantRow } from './rows.ts';

/** Every query by index names it, so that no plan depends on what the server happens to have seen before. */
export const index = {
  messageSeq: { name: 'seq', key: { tenant: 1, conversation: 1, seq: 1 } },
  messageRev: { name: 'rev', key: { tenant: 1, conversation: 1, rev: 1 } },
  messageQuiet: { name: 'quiet', key: { tenant: 1, conversation: 1, quietFor: 1, seq: 1 } },
  messageThread: { name: 'thread', key: { thread: 1, threadSeq: 1 }, sparse: true },
  messagePinned: { name: 'pinned', key: { pinnedIn: 1, pinnedAt: 1, pinnedSeq: 1 }, sparse: true },
  participantMember: { name: 'member', key: { tenant: 1, conversation: 1, user: 1, active: 1 } },
  participantRev: { name: 'rev', key: { tenant: 1, conversation: 1, rev: 1 } },
  participantUser: { name: 'user', key: { tenant: 1, user: 1, conversation: 1, active: 1 } },
  hiddenSeq: { name: 'seq', key: { tenant: 1, conversation: 1, user: 1, seq: 1 } },
  hiddenRev: { name: 'rev', key: { tenant: 1, conversation: 1, user: 1, rev: 1 } },
} as const satisfies Record<string, IndexDeclaration>;

/** The indexes of the message store's collections. Conversations and counters are found by `_id` alone. */
export const mongoMessageIndexes: readonly CollectionIndexes[] = [
  {
    collection: 'messages',
    indexes: [index.messageSeq, index.messageRev, index.messageQuiet, index.messageThread, index.messagePinned],
  },
  { collection: 'participants', indexes: [index.participantMember, index.participantRev, index.participantUser] },
  { collection: 'hidden', indexes: [index.hiddenSeq, index.hiddenRev] },
];

export const messagesOf = (db: Db): Collection<MessageRow> => db.collection('messages');
export const conversationsOf = (db: Db): Collection<ConversationRow> => db.collection('conversations');
export const participantsOf = (db: Db): Collection<ParticipantRow> => db.collection('participants');
export const hiddenOf = (db: Db): Collection<HiddenRow> => db.collection('hidden');
export const countersOf = (db: Db): Collection<CounterRow> => db.collection('counters');
