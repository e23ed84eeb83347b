import { type Collection, type Db, MongoClient, type ObjectId } from 'mongodb';
import type { Pair } from '../names.ts';
import type { Oddities } from './odd.ts';
import {
  type OldConversation,
  type OldMessage,
  type OldParticipant,
  oldConversation,
  oldMessage,
  oldParticipant,
} from './schema.ts';

/** Documents a server tells of at a time. */
const readBatch = 1_000;
/** Longest wait for the old database, in milliseconds. */
const oldTimeoutMs = 120_000;

/** A document as it lies there: of no type until it is checked. */
export type Raw = { _id: ObjectId } & Record<string, unknown>;

/** The old service's database, as one migration uses it. */
export interface OldSide {
  readonly db: Db;
  readonly conversations: Collection<Raw>;
  readonly participants: Collection<Raw>;
  readonly messages: Collection<Raw>;
  close(): Promise<void>;
}

/** Connects. What is written there is answered when a majority has it in its journal. */
export const openOldSide = async ({ url, database }: { url: string; database: string }): Promise<OldSide> => {
  const client = new MongoClient(url, {
    appName: 'caas-migrate',
    writeConcern: { w: 'majority', journal: true },
    readConcern: { level: 'majority' },
    serverSelectionTimeoutMS: oldTimeoutMs,
    socketTimeoutMS: oldTimeoutMs,
    ignoreUndefined: true,
  });
  await client.connect();
  const db = client.db(database);
  return {
    db,
    conversations: db.collection('conversations'),
    participants: db.collection('participants'),
    messages: db.collection('messages'),
    close: () => client.close(),
  };
};

/** The tenant's conversations that can be read, by their ids. */
export async function* conversationsIn(
  old: OldSide,
  { oldTenantId }: Pair,
  odd: Oddities,
): AsyncGenerator<OldConversation, void, undefined> {
  const cursor = old.conversations.find({ tenantId: oldTenantId }, { batchSize: readBatch, sort: { _id: 1 } });
  for await (const raw of cursor) {
    const conversation = odd.checked(oldConversation, 'conversations', raw);
    if (conversation) yield conversation;
  }
}

const within = ({ oldTenantId }: Pair, { _id }: { _id: ObjectId }) => ({ tenantId: oldTenantId, conversationId: _id });

/** Who is or was in it, by id; of two entries for one user the later one is odd. */
export const participantsIn = async (
  old: OldSide,
  pair: Pair,
  conversation: { _id: ObjectId },
  odd: Oddities,
): Promise<OldParticipant[]> => {
  const cursor = old.participants.find(within(pair, conversation), { batchSize: readBatch, sort: { _id: 1 } });
  const byUser = new Map<string, OldParticipant>();
  for await (const raw of cursor) {
    const participant = odd.checked(oldParticipant, 'participants', raw);
    if (!participant) continue;
    if (byUser.has(participant.userId))
      odd.add({ collection: 'participants', id: String(raw._id), reason: 'userId: a second entry for the user' });
    else byUser.set(participant.userId, participant);
  }
  return [...byUser.values()];
};

/** Lines the old service wrote itself ("Ann joined"): CAAS tells these by membership, so they are left where they are. */
const systemType = 'system';

/** What was said in the conversation, in the old order: by time, then by id. */
export async function* messagesIn(
  old: OldSide,
  pair: Pair,
  conversation: { _id: ObjectId },
  odd: Oddities,
): AsyncGenerator<OldMessage, void, undefined> {
  const cursor = old.messages.find(within(pair, conversation), {
    batchSize: readBatch,
    sort: { createdAt: 1, _id: 1 },
    allowDiskUse: true,
  });
  for await (const raw of cursor) {
    // Not a part of the query: no index would have it.
    if (raw['type'] === systemType) continue;
    const message = odd.checked(oldMessage, 'messages', raw);
    if (message) yield message;
  }
}

/** Documents of the tenant that no walk over its conversations meets or takes. */
export interface Aside {
  /** Lines of the service itself. */
  systemLines: number;
  /** Messages whose conversation is not there. */
  strayMessages: number;
}

export const asideIn = async (old: OldSide, { oldTenantId }: Pair): Promise<Aside> => {
  const known = new Set<string>();
  const ids = old.conversations.find({ tenantId: oldTenantId }, { projection: { _id: 1 }, batchSize: readBatch });
  for await (const { _id } of ids) known.add(String(_id));
  const counts = old.messages.aggregate<{ _id: unknown; count: number }>([
    { $match: { tenantId: oldTenantId } },
    { $group: { _id: '$conversationId', count: { $sum: 1 } } },
  ]);
  let strayMessages = 0;
  for await (const { _id, count } of counts) if (!known.has(String(_id))) strayMessages += count;
  return { strayMessages, systemLines: await old.messages.countDocuments({ tenantId: oldTenantId, type: systemType }) };
};
