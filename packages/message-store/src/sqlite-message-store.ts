import { ConversationDocument, MessageDocument, ParticipantDocument } from '@caas/proto/caas/events/v1/documents';
import { openSqliteHost, type SqliteHost } from '@caas/sqlite';
import { bounded } from './limits.ts';
import { pack, unpack, unpackSparse } from './packing.ts';
import type { ConversationKey, ConversationRole, MessageRole, MessageStore, ParticipantRole, Stretch } from './port.ts';
import type { Packed } from './sqlite/packed-rows.ts';
import {
  commitRows,
  conversationKeys,
  hiddenRows,
  messageKeys,
  messageRows,
  participantKeys,
  participantRows,
} from './sqlite/rows.ts';

type Reader = SqliteHost<ReturnType<typeof import('./sqlite/read-thread.ts').open>>;
type Writer = SqliteHost<ReturnType<typeof import('./sqlite/write-thread.ts').open>>;

/** Only the key of what callers pass: their objects may carry more than can cross to a thread. */
const bare = ({ tenantId, conversationId }: ConversationKey): ConversationKey => ({ tenantId, conversationId });

const stretch = (packed: Packed): Stretch => ({ documents: unpack(MessageDocument, packed), more: packed.more });

const messageRole = (reader: Reader, writer: Writer): MessageRole => ({
  write: async (documents) => {
    bounded(documents.length);
    if (documents.length === 0) return;
    const rows = messageRows(documents, pack(MessageDocument, documents));
    await writer.call('writeMessages', rows, [rows.bodies.buffer, rows.nums.buffer]);
  },
  getMany: async (keys) => {
    bounded(keys.length);
    if (keys.length === 0) return [];
    return unpackSparse(MessageDocument, await reader.call('getMessages', messageKeys(keys)));
  },
  page: async (key, range) => {
    bounded(range.limit);
    return unpack(MessageDocument, await reader.call('page', { key: bare(key), range }));
  },
  changedSince: async (key, afterRev, lastSeq, extent) => {
    bounded(extent.limit);
    return stretch(await reader.call('messagesChanged', { key: bare(key), afterRev, lastSeq, extent }));
  },
  thread: async (key, afterSeq, lastSeq, extent) => {
    bounded(extent.limit);
    const { messageId } = key;
    return stretch(await reader.call('thread', { key: { ...bare(key), messageId }, afterSeq, lastSeq, extent }));
  },
  pinned: async (key, lastSeq, extent) => {
    bounded(extent.limit);
    return stretch(await reader.call('pinned', { key: bare(key), lastSeq, extent }));
  },
  countUnread: async (queries) => {
    bounded(queries.length);
    return queries.length === 0 ? [] : reader.call('countUnread', queries);
  },
  hide: async (documents) => {
    bounded(documents.length);
    if (documents.length > 0) await writer.call('hide', hiddenRows(documents));
  },
  hiddenIn: (key, fromSeq, toSeq) =>
    reader.call('hiddenIn', { key: { ...bare(key), userId: key.userId }, fromSeq, toSeq }),
  areHidden: async (keys) => {
    bounded(keys.length);
    return keys.length === 0 ? [] : reader.call('areHidden', keys);
  },
  hiddenSince: async (key, afterRev, limit) => {
    bounded(limit);
    const rows = await reader.call('hiddenSince', { key: { ...bare(key), userId: key.userId }, afterRev, limit });
    const { tenantId, conversationId, userId } = key;
    return rows.map((row) => ({
      tenantId,
      conversationId,
      userId,
      messageId: row.message_id,
      seq: row.seq,
      rev: row.rev,
    }));
  },
});

const conversationRole = (reader: Reader, writer: Writer): ConversationRole => ({
  getMany: async (keys) => {
    bounded(keys.length);
    if (keys.length === 0) return [];
    return unpackSparse(ConversationDocument, await reader.call('getConversations', conversationKeys(keys)));
  },
  list: async (after, limit, tenantId) => {
    bounded(limit);
    return unpack(
      ConversationDocument,
      await reader.call('listConversations', { after: after && bare(after), limit, tenantId }),
    );
  },
  commit: async (commits) => {
    bounded(commits.length);
    if (commits.length === 0) return [];
    const documents = commits.map((commit) => commit.document);
    const rows = commitRows(commits, pack(ConversationDocument, documents));
    const committed = await writer.call('commit', rows, [rows.bodies.buffer, rows.nums.buffer]);
    return committed.map((done) => (done ? 'committed' : 'stale'));
  },
  claimShard: (shard) => writer.call('claimShard', shard),
  // By the writer, who answers after what it was told before.
  shardPosition: (shard) => writer.call('shardPosition', shard),
  keepShardPosition: (shard, epoch, position) => writer.call('keepShardPosition', { shard, epoch, position }),
});

const participantRole = (reader: Reader, writer: Writer): ParticipantRole => ({
  write: async (documents) => {
    bounded(documents.length);
    if (documents.length === 0) return;
    const rows = participantRows(documents, pack(ParticipantDocument, documents));
    await writer.call('writeParticipants', rows, [rows.bodies.buffer, rows.nums.buffer]);
  },
  getMany: async (keys) => {
    bounded(keys.length);
    if (keys.length === 0) return [];
    return unpackSparse(ParticipantDocument, await reader.call('getParticipants', participantKeys(keys)));
  },
  ofConversation: async (key, page) => {
    bounded(page.limit);
    return unpack(ParticipantDocument, await reader.call('ofConversation', { key: bare(key), page }));
  },
  ofUser: async (tenantId, userId, page) => {
    bounded(page.limit);
    return unpack(ParticipantDocument, await reader.call('ofUser', { tenantId, userId, page }));
  },
  changedSince: async (key, afterRev, limit) => {
    bounded(limit);
    return unpack(ParticipantDocument, await reader.call('participantsChanged', { key: bare(key), afterRev, limit }));
  },
  countActive: async (tenantId, userIds) => {
    bounded(userIds.length);
    return userIds.length === 0 ? [] : reader.call('countActive', { tenantId, userIds });
  },
});

export interface SqliteMessageStoreOptions {
  /** Path of the database; its folder is made. */
  file: string;
  /** Longest wait for an answer of the engine, in milliseconds. */
  commandTimeoutMs?: number;
}

/**
 * Opens the message store in a SQLite file, with a thread that writes and one that reads. Rejects UNAVAILABLE or INTERNAL
 * when it cannot be opened.
 */
export const openSqliteMessageStore = async (options: SqliteMessageStoreOptions): Promise<MessageStore> => {
  // The writer first: it makes the tables.
  const writer: Writer = await openSqliteHost({
    ...options,
    module: new URL('./sqlite/write-thread.ts', import.meta.url),
  });
  let reader: Reader;
  try {
    reader = await openSqliteHost({ ...options, module: new URL('./sqlite/read-thread.ts', import.meta.url) });
  } catch (thrown) {
    await writer.close();
    throw thrown;
  }
  return {
    messages: messageRole(reader, writer),
    conversations: conversationRole(reader, writer),
    participants: participantRole(reader, writer),
    // The writer last: closing it leaves one file with everything in it.
    close: async () => {
      await reader.close();
      await writer.close();
    },
  };
};
