import type { DatabaseSync } from 'node:sqlite';
import type {
  ConversationKey,
  Extent,
  HiddenKey,
  MessageKey,
  ParticipantKey,
  ParticipantPage,
  ParticipationPage,
  SeqRange,
  UnreadQuery,
} from '../port.ts';
import { ConversationRefs, type FlatKeys } from './conversation-refs.ts';
import { firstRows, type Packed, packRows } from './packed-rows.ts';

/** Never matches: the number of a conversation nothing was written for. */
const nowhere = -1;

/** Keys of two or three parts in one flat list. */
function* triples(keys: FlatKeys): Generator<[string, string, string]> {
  for (let i = 0; i < keys.length; i += 3) yield [keys[i], keys[i + 1], keys[i + 2]] as [string, string, string];
}

export const openReadHandlers = (db: DatabaseSync) => {
  const refs = new ConversationRefs(db);
  const conv = (key: ConversationKey): number => refs.find(key.tenantId, key.conversationId) ?? nowhere;
  return { ...messageReads(db, refs, conv), ...conversationReads(db, refs), ...participantReads(db, refs, conv) };
};

/** One row more than may be answered is asked for, to know whether there is one. */
const packFirst = ({ limit, maxBytes }: Extent, read: (limit: number) => Iterable<Record<string, unknown>>): Packed => {
  const { rows, more } = firstRows(read(limit + 1), limit, maxBytes);
  return packRows(rows, more);
};

type ConvOf = (key: ConversationKey) => number;

const messageReads = (db: DatabaseSync, refs: ConversationRefs, conv: ConvOf) => {
  const byId = db.prepare('SELECT body FROM message WHERE conv = ? AND message_id = ?');
  const range = 'SELECT body FROM message WHERE conv = ? AND seq BETWEEN ? AND ? ORDER BY seq';
  const oldest = db.prepare(`${range} LIMIT ?`);
  const newest = db.prepare(`${range} DESC LIMIT ?`);
  const changed = db.prepare('SELECT body FROM message WHERE conv = ? AND rev > ? AND seq <= ? ORDER BY rev LIMIT ?');
  const thread = db.prepare(
    `SELECT body FROM message
     WHERE conv = ? AND thread_root_id = ? AND seq > ? AND seq <= ? AND message_id <> ? ORDER BY seq LIMIT ?`,
  );
  const pinned = db.prepare(
    `SELECT body FROM message WHERE conv = ? AND pinned_at_ms IS NOT NULL AND seq <= ?
     ORDER BY pinned_at_ms DESC, seq DESC LIMIT ?`,
  );
  const unread = db.prepare(
    `SELECT count(*) AS n FROM message INDEXED BY message_seq
     WHERE conv = ? AND seq > ? AND seq <= ? AND deleted = 0 AND sender_id <> ?`,
  );
  const hiddenIn = db.prepare(
    'SELECT message_id FROM hidden WHERE conv = ? AND user_id = ? AND seq BETWEEN ? AND ? ORDER BY seq',
  );
  const hiddenSince = db.prepare(
    'SELECT message_id, seq, rev FROM hidden WHERE conv = ? AND user_id = ? AND rev > ? ORDER BY rev LIMIT ?',
  );
  return {
    getMessages: (keys: FlatKeys) =>
      packRows(Array.from(triples(keys), ([t, c, id]) => byId.get(refs.find(t, c) ?? nowhere, id))),
    page: ({ key, range: { fromSeq, toSeq, limit, maxBytes, from } }: { key: ConversationKey; range: SeqRange }) => {
      const side = from === 'oldest' ? oldest : newest;
      const { rows, more } = firstRows(side.iterate(conv(key), fromSeq, toSeq, limit), limit, maxBytes);
      return packRows(from === 'oldest' ? rows : rows.reverse(), more);
    },
    messagesChanged: (a: { key: ConversationKey; afterRev: number; lastSeq: number; extent: Extent }) =>
      packFirst(a.extent, (limit) => changed.iterate(conv(a.key), a.afterRev, a.lastSeq, limit)),
    thread: (a: { key: MessageKey; afterSeq: number; lastSeq: number; extent: Extent }) =>
      packFirst(a.extent, (limit) =>
        thread.iterate(conv(a.key), a.key.messageId, a.afterSeq, a.lastSeq, a.key.messageId, limit),
      ),
    pinned: (a: { key: ConversationKey; lastSeq: number; extent: Extent }) =>
      packFirst(a.extent, (limit) => pinned.iterate(conv(a.key), a.lastSeq, limit)),
    countUnread: (queries: readonly UnreadQuery[]): number[] =>
      queries.map((q) => Number(unread.get(conv(q), q.afterSeq, q.lastSeq, q.userId)?.['n'])),
    hiddenIn: (a: { key: ParticipantKey; fromSeq: number; toSeq: number }): string[] =>
      hiddenIn.all(conv(a.key), a.key.userId, a.fromSeq, a.toSeq).map((row) => row['message_id'] as string),
    areHidden: (keys: readonly HiddenKey[]): boolean[] =>
      keys.map((k) => hiddenIn.get(conv(k), k.userId, k.seq, k.seq) !== undefined),
    hiddenSince: (a: { key: ParticipantKey; afterRev: number; limit: number }) =>
      hiddenSince.all(conv(a.key), a.key.userId, a.afterRev, a.limit) as unknown as {
        message_id: string;
        seq: number;
        rev: number;
      }[],
  };
};

const conversationReads = (db: DatabaseSync, refs: ConversationRefs) => {
  const byKey = db.prepare('SELECT body FROM conversation WHERE conv = ?');
  const listed = (where: string) =>
    db.prepare(
      `SELECT c.body AS body FROM conversation_ref r CROSS JOIN conversation c ON c.conv = r.conv
       WHERE ${where} ORDER BY r.tenant_id, r.conversation_id LIMIT ?`,
    );
  const after = listed('(r.tenant_id, r.conversation_id) > (?, ?)');
  const ofTenant = listed('r.tenant_id = ? AND r.conversation_id > ?');
  return {
    listConversations: (a: { after: ConversationKey | undefined; limit: number; tenantId: string | undefined }) => {
      const { tenantId = '', conversationId = '' } = a.after ?? {};
      return packRows(
        a.tenantId === undefined
          ? after.all(tenantId, conversationId, a.limit)
          : ofTenant.all(a.tenantId, conversationId, a.limit),
      );
    },
    getConversations: (keys: FlatKeys) => {
      const rows = [];
      for (let i = 0; i < keys.length; i += 2)
        rows.push(byKey.get(refs.find(keys[i] as string, keys[i + 1] as string) ?? nowhere));
      return packRows(rows);
    },
  };
};

const participantReads = (db: DatabaseSync, refs: ConversationRefs, conv: ConvOf) => {
  const byId = db.prepare('SELECT body FROM participant WHERE conv = ? AND user_id = ?');
  const ofConversation = db.prepare(
    'SELECT body FROM participant WHERE conv = ? AND user_id > ? AND active >= ? ORDER BY user_id LIMIT ?',
  );
  const ofUser = db.prepare(
    `SELECT body FROM participant INDEXED BY participant_user
     WHERE tenant_id = ? AND user_id = ? AND conversation_id > ? AND active >= ? ORDER BY conversation_id LIMIT ?`,
  );
  const changed = db.prepare('SELECT body FROM participant WHERE conv = ? AND rev > ? ORDER BY rev LIMIT ?');
  const count = db.prepare(
    'SELECT count(*) AS n FROM participant INDEXED BY participant_user WHERE tenant_id = ? AND user_id = ? AND active = 1',
  );
  return {
    getParticipants: (keys: FlatKeys) =>
      packRows(Array.from(triples(keys), ([t, c, id]) => byId.get(refs.find(t, c) ?? nowhere, id))),
    ofConversation: ({ key, page }: { key: ConversationKey; page: ParticipantPage }) =>
      packRows(ofConversation.all(conv(key), page.afterUserId, page.activeOnly ? 1 : 0, page.limit)),
    ofUser: ({ tenantId, userId, page }: { tenantId: string; userId: string; page: ParticipationPage }) =>
      packRows(ofUser.all(tenantId, userId, page.afterConversationId, page.activeOnly ? 1 : 0, page.limit)),
    participantsChanged: (a: { key: ConversationKey; afterRev: number; limit: number }) =>
      packRows(changed.all(conv(a.key), a.afterRev, a.limit)),
    countActive: (a: { tenantId: string; userIds: readonly string[] }): number[] =>
      a.userIds.map((userId) => Number(count.get(a.tenantId, userId)?.['n'])),
  };
};
