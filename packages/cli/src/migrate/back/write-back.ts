import { type AccountStore, maxUsersPerCall } from '@caas/account-store';
import { inChunks } from '@caas/kit';
import { created, type MessageStore, maxDocumentsPerCall } from '@caas/message-store';
import { duplicateKey, refusedOf } from '@caas/mongo';
import { ConversationKind } from '@caas/proto/caas/events/v1/content';
import type { ConversationDocument, MessageDocument, ParticipantDocument } from '@caas/proto/caas/events/v1/documents';
import type { AnyBulkWriteOperation, Collection, Document, Filter, ObjectId, UpdateFilter } from 'mongodb';
import type { ConversationRow, Ledger } from '../ledger.ts';
import { oldIdFor, oldMessageIdOf, type Pair } from '../names.ts';
import type { OldSide, Raw } from '../old/old-side.ts';
import type { OldAttachment } from '../old/schema.ts';
import {
  changeableFields,
  conversationFields,
  fixedFields,
  newConversationFields,
  type OldUserOf,
  participantFields,
  usersIn,
} from './old-fields.ts';

/** Documents read from the store, and written to the old side, at a time. */
const perPage = 500;

export interface WriteBackParts {
  pair: Pair;
  old: OldSide;
  ledger: Ledger;
  store: MessageStore;
  accounts: Pick<AccountStore, 'users'>;
  /** Number of this run in the ledger. */
  run: number;
}

/** A message that a user has hidden for themselves. */
export interface Hiding {
  messageId: string;
  userId: string;
}

/**
 * Brings the old side of one conversation up to what is committed in CAAS. Goes by revisions, not by events: whatever has
 * changed since the last time is written as it is now, with the head it is of, and never over what is of a later head. So
 * it may be repeated, overlap with another run and be killed anywhere. Answers how many messages were new.
 */
export const writeBack = async (
  parts: WriteBackParts,
  conversationId: string,
  hidings: readonly Hiding[],
): Promise<number> => {
  const { pair, ledger, store } = parts;
  const { tenantId } = pair;
  const [head] = await store.conversations.getMany([{ tenantId, conversationId }]);
  if (!created(head)) return 0;
  const row = (await ledger.conversation(tenantId, conversationId)) ?? firstRow(head, parts.run);
  const writer = new OldConversationWriter(parts, head, row);
  let count = 0;
  if (head.headRev > row.syncedRev) {
    await writer.conversation();
    count = await writer.newMessages();
    await writer.changedMessages();
    // After the messages, by which is told up to when each has read.
    await writer.participants();
    const synced = { syncedRev: head.headRev, syncedSeq: head.lastSeq, lastCreatedAtMs: writer.lastCreatedAtMs };
    await ledger.put({ ...row, ...synced, run: parts.run });
  }
  await writer.hide(hidings);
  return count;
};

const firstRow = ({ tenantId, conversationId, createdAtMs }: ConversationDocument, run: number): ConversationRow => ({
  run,
  tenantId,
  conversationId,
  oldId: oldIdFor(createdAtMs, 'conversation', tenantId, conversationId),
  baseRev: 0,
  checksum: '',
  syncedRev: 0,
  syncedSeq: 0,
  lastCreatedAtMs: 0,
});

class OldConversationWriter {
  lastCreatedAtMs: number;
  readonly #parts: WriteBackParts;
  readonly #head: ConversationDocument;
  readonly #row: ConversationRow;
  readonly #within: { tenantId: string; conversationId: ObjectId };
  /** Old names of users, by user id. */
  readonly #users = new Map<string, string>();

  constructor(parts: WriteBackParts, head: ConversationDocument, row: ConversationRow) {
    this.#parts = parts;
    this.#head = head;
    this.#row = row;
    this.lastCreatedAtMs = row.lastCreatedAtMs;
    this.#within = { tenantId: parts.pair.oldTenantId, conversationId: row.oldId };
  }

  async conversation(): Promise<void> {
    const head = this.#head;
    const { oldId, syncedRev } = this.#row;
    const oldUser = await this.#oldUsers([head.createdBy]);
    const update = { $set: { ...conversationFields(head), ...this.#of() } };
    const { tenantId } = this.#within;
    // What was imported is there; what was removed there meanwhile stays so.
    if (syncedRev === 0) Object.assign(update.$set, { tenantId, ...newConversationFields(head, oldUser) });
    await this.#write(this.#parts.old.conversations, [this.#guarded({ _id: oldId }, update, syncedRev === 0)]);
  }

  /** In their order, each created after the one before it, for the old side goes by time. */
  async newMessages(): Promise<number> {
    const { store, old } = this.#parts;
    const { lastSeq } = this.#head;
    let count = 0;
    for (let fromSeq = this.#row.syncedSeq + 1; fromSeq <= lastSeq; ) {
      const page = await store.messages.page(this.#head, { fromSeq, toSeq: lastSeq, limit: perPage, from: 'oldest' });
      if (page.length === 0) break;
      const oldUser = await this.#oldUsers(page.flatMap(usersIn));
      const oldIds = await this.#referredBy(page);
      const operations = page.map((message) => {
        this.lastCreatedAtMs = Math.max(this.lastCreatedAtMs + 1, message.acceptedAtMs);
        const fixed = fixedFields(message, oldUser, oldIds, this.lastCreatedAtMs);
        const fields = { ...fixed, ...changeableFields(message, oldUser, new Map()), ...this.#of() };
        return this.#guarded({ _id: oldMessageIdOf(message), ...this.#within }, { $set: fields }, true);
      });
      await this.#write(old.messages, operations);
      count += page.length;
      fromSeq = (page.at(-1) as MessageDocument).seq + 1;
    }
    return count;
  }

  /** Edits, deletions, reactions and pins of messages the old side has. */
  async changedMessages(): Promise<void> {
    const { store, old } = this.#parts;
    const { syncedRev, syncedSeq } = this.#row;
    for (let afterRev = syncedRev, more = syncedSeq > 0; more; ) {
      const page = await store.messages.changedSince(this.#head, afterRev, syncedSeq, { limit: perPage });
      const { documents } = page;
      const oldUser = await this.#oldUsers(documents.flatMap(usersIn));
      const ids = documents.map(oldMessageIdOf);
      const found = await old.messages.find({ _id: { $in: ids } }, { projection: { attachments: 1 } }).toArray();
      const urls = new Map<string, unknown>();
      for (const { attachments } of found)
        for (const { id, url } of (attachments ?? []) as OldAttachment[]) urls.set(id, url);
      const operations = documents.map((message, i) => {
        const fields = { ...changeableFields(message, oldUser, urls), ...this.#of() };
        return this.#guarded({ _id: ids[i] as ObjectId, ...this.#within }, { $set: fields }, false);
      });
      await this.#write(old.messages, operations);
      afterRev = documents.at(-1)?.rev ?? afterRev;
      more = page.more;
    }
  }

  async participants(): Promise<void> {
    const { store, old } = this.#parts;
    const direct = this.#head.kind === ConversationKind.CONVERSATION_KIND_DIRECT;
    for (let afterRev = this.#row.syncedRev, full = true; full; ) {
      const page = await store.participants.changedSince(this.#head, afterRev, perPage);
      const oldUser = await this.#oldUsers(page.map(({ userId }) => userId));
      const userIds = page.map(({ userId }) => oldUser(userId));
      const found = await old.participants
        .find({ ...this.#within, userId: { $in: userIds } }, { projection: { userId: 1 } })
        .toArray();
      const there = new Map(found.map(({ _id, userId }) => [userId, _id]));
      const readAt = await this.#readAt(page);
      const operations = page.map((p, i) => {
        const userId = userIds[i] as string;
        const existing = there.get(userId);
        const _id = existing ?? oldIdFor(p.joinedAtMs, 'participant', String(this.#row.oldId), p.userId);
        const fields = { ...participantFields(p, readAt.get(p.readSeq) ?? null, direct), ...this.#of() };
        const fresh = { ...this.#within, userId, displayName: null, ...(direct && { role: 'member' }) };
        const update = { $set: existing ? fields : { ...fields, ...fresh } };
        return this.#guarded({ _id }, update, existing === undefined);
      });
      await this.#write(old.participants, operations);
      afterRev = (page.at(-1) as ParticipantDocument | undefined)?.rev ?? afterRev;
      full = page.length === perPage;
    }
  }

  async hide(hidings: readonly Hiding[]): Promise<void> {
    if (hidings.length === 0) return;
    const { store, old } = this.#parts;
    const { tenantId, conversationId } = this.#head;
    const keys = hidings.map(({ messageId }) => ({ tenantId, conversationId, messageId }));
    const messages = await inChunks(keys, maxDocumentsPerCall, (chunk) => store.messages.getMany(chunk));
    const oldUser = await this.#oldUsers(hidings.map(({ userId }) => userId));
    const operations = messages.flatMap((message, i): AnyBulkWriteOperation<Raw>[] => {
      if (!message) return [];
      const update: UpdateFilter<Document> = { $addToSet: { deletedFor: oldUser(hidings[i]?.userId ?? '') } };
      return [
        {
          updateOne: { filter: { _id: oldMessageIdOf(message), ...this.#within }, update: update as UpdateFilter<Raw> },
        },
      ];
    });
    // In their order, for one message may come twice.
    if (operations.length > 0) await old.messages.bulkWrite(operations, { ordered: true });
  }

  /** Which head what is written is of. */
  #of() {
    return { 'caas.tenantId': this.#head.tenantId, 'caas.rev': this.#head.headRev };
  }

  /** A write that leaves alone what is of this head, or of a later one. */
  #guarded(filter: { _id: ObjectId }, update: { $set: object }, upsert: boolean): AnyBulkWriteOperation<Raw> {
    const { tenantId, headRev } = this.#head;
    const older = { $or: [{ 'caas.tenantId': { $ne: tenantId } }, { 'caas.rev': { $lt: headRev } }] };
    return {
      updateOne: { filter: { ...filter, ...older } as Filter<Raw>, update: update as UpdateFilter<Raw>, upsert },
    };
  }

  /** Where the guard of an upsert does not hold its `_id` is taken: nothing to do. */
  async #write(collection: Collection<Raw>, operations: AnyBulkWriteOperation<Raw>[]): Promise<void> {
    if (operations.length > 0) await refusedOf(collection, operations, [duplicateKey]);
  }

  /** By seq, when the message was created on the old side. */
  async #readAt(participants: readonly ParticipantDocument[]): Promise<Map<number, Date>> {
    const { store, old } = this.#parts;
    const times = new Map<number, Date>();
    for (const seq of new Set(participants.map(({ readSeq }) => readSeq))) {
      const range = { fromSeq: seq, toSeq: seq, limit: 1, from: 'oldest' as const };
      const [message] = seq === 0 ? [] : await store.messages.page(this.#head, range);
      if (!message) continue;
      const found = await old.messages.findOne({ _id: oldMessageIdOf(message) }, { projection: { createdAt: 1 } });
      if (found) times.set(seq, found['createdAt'] as Date);
    }
    return times;
  }

  /** Old ids of what the messages answer, belong to or forward, by message id. */
  async #referredBy(messages: readonly MessageDocument[]): Promise<Map<string, ObjectId>> {
    const { tenantId, conversationId } = this.#head;
    const keys = messages.flatMap(({ replyToMessageId, threadRootId, forwardedFrom }) => [
      ...[replyToMessageId, threadRootId]
        .filter((messageId) => messageId !== '')
        .map((messageId) => ({ tenantId, conversationId, messageId })),
      ...(forwardedFrom ? [{ tenantId, ...forwardedFrom }] : []),
    ]);
    const { store } = this.#parts;
    const found = await inChunks(keys, maxDocumentsPerCall, (chunk) => store.messages.getMany(chunk));
    return new Map(found.flatMap((message) => (message ? [[message.messageId, oldMessageIdOf(message)]] : [])));
  }

  /** Old names of users. Who has none, since a message may mention anybody, keeps the one of CAAS. */
  async #oldUsers(userIds: readonly string[]): Promise<OldUserOf> {
    const { accounts, pair } = this.#parts;
    const missing = [...new Set(userIds)].filter((id) => id !== '' && !this.#users.has(id));
    const found = await inChunks(missing, maxUsersPerCall, (chunk) => accounts.users.getMany(pair.tenantId, chunk));
    for (const user of found) if (user) this.#users.set(user.userId, user.externalId);
    return (userId) => this.#users.get(userId) ?? userId;
  }
}
