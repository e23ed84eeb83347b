import { userIdOf } from '@caas/account-store';
import {
  created,
  emptyDigest,
  isActive,
  type MessageStore,
  maxDocumentsPerCall,
  nextDigest,
} from '@caas/message-store';
import type { ConversationDocument, MessageDocument } from '@caas/proto/caas/events/v1/documents';
import type { Ledger } from '../ledger.ts';
import { conversationIdFor, type Pair } from '../names.ts';
import { Oddities } from '../old/odd.ts';
import { messagesIn, type OldSide, participantsIn } from '../old/old-side.ts';
import type { OldConversation, OldMessage, OldParticipant } from '../old/schema.ts';
import {
  LineSum,
  newConversationLine,
  newMemberLine,
  newMessageLine,
  oldConversationLine,
  oldMemberLine,
  oldMessageLine,
} from './lines.ts';

export interface VerifyParts {
  pair: Pair;
  old: OldSide;
  store: MessageStore;
  ledger: Ledger;
}

export interface Verdict {
  conversationId: string;
  /** Of the old side, and their checksum in their order. */
  messages: number;
  checksum: string;
  /** What is not equal, without saying what it says; empty: all is. */
  differences: string[];
}

/**
 * Compares every message, member and unread count of one conversation, and checks seqs, digests and head of the new side
 * from nothing. Changes nothing. Undefined: the conversation was left out as odd, so there is nothing to compare.
 */
export const verifyConversation = async (
  { pair, old, store, ledger }: VerifyParts,
  conversation: OldConversation,
): Promise<Verdict | undefined> => {
  const { tenantId } = pair;
  const quiet = new Oddities();
  const participants = await participantsIn(old, pair, conversation, quiet);
  if (conversation.type === 'direct' && participants.length !== 2) return undefined;
  const born = conversation.caas?.tenantId === tenantId ? conversation.caas.conversationId : undefined;
  const oldUserIds = participants.map(({ userId }) => userId);
  const key = { tenantId, conversationId: born ?? conversationIdFor(pair, conversation, oldUserIds) };
  const row = await ledger.conversation(tenantId, key.conversationId);
  if (row && !row.oldId.equals(conversation._id)) return undefined;
  const [head] = await store.conversations.getMany([key]);
  const unread = new UnreadCounts(participants);
  const hidden = new HiddenIds(tenantId);
  const sides = new MessageSides();
  const found = created(head) ? messagesOf(store, head) : undefined;
  for await (const message of messagesIn(old, pair, conversation, quiet)) {
    unread.add(message);
    const next = await found?.next();
    const document = next?.done ? undefined : next?.value;
    sides.add(oldMessageLine(tenantId, message), document);
    if (document) hidden.add(message, document);
  }
  const verdict = { conversationId: key.conversationId, messages: sides.old.count, checksum: sides.old.checksum };
  if (!created(head) || !found) return { ...verdict, differences: ['is not there'] };
  for await (const surplus of found) sides.add(undefined, surplus);
  const differences = [
    ...(oldConversationLine(tenantId, conversation) === newConversationLine(head) ? [] : ['its own fields']),
    ...sides.differences(head),
    ...(await hidden.differences(store, head)),
    ...(await memberDifferences(store, head, { conversation, participants, unread })),
  ];
  return { ...verdict, differences };
};

/** Everything that has a seq, past the head too: what lies there would be in the way of the next message. */
async function* messagesOf(
  store: MessageStore,
  head: ConversationDocument,
): AsyncGenerator<MessageDocument, void, undefined> {
  for (let fromSeq = 1; ; ) {
    const range = { fromSeq, toSeq: Number.MAX_SAFE_INTEGER, limit: maxDocumentsPerCall, from: 'oldest' as const };
    const page = await store.messages.page(head, range);
    yield* page;
    if (page.length < maxDocumentsPerCall) return;
    fromSeq = (page.at(-1) as MessageDocument).seq + 1;
  }
}

/** Both lists of messages, walked side by side. */
class MessageSides {
  readonly old = new LineSum();
  readonly #new = new LineSum();
  #firstDifferent = 0;
  #brokenSeqs = 0;
  #digest = emptyDigest;

  add(oldLine: string | undefined, document: MessageDocument | undefined): void {
    const newLine = document && newMessageLine(document);
    if (oldLine !== undefined) this.old.add(oldLine);
    if (newLine !== undefined) this.#new.add(newLine);
    if (oldLine !== newLine) this.#firstDifferent ||= Math.max(this.old.count, this.#new.count);
    if (!document) return;
    this.#digest = nextDigest(this.#digest, document.messageId);
    if (document.seq !== this.#new.count || document.digest !== this.#digest) this.#brokenSeqs += 1;
  }

  differences(head: ConversationDocument): string[] {
    const found = this.#new;
    const differences: string[] = [];
    if (found.count !== this.old.count) differences.push(`${found.count} messages, ${this.old.count} on the old side`);
    if (found.checksum !== this.old.checksum) differences.push(`checksum, from message ${this.#firstDifferent} on`);
    if (this.#brokenSeqs > 0) differences.push(`seq or digest of ${this.#brokenSeqs} messages`);
    if (head.digest !== this.#digest || head.lastSeq !== found.count)
      differences.push('digest or last_seq of the head');
    if ((head.lastMessage?.seq ?? 0) !== head.lastSeq) differences.push('last message of the head');
    return differences;
  }
}

/** How many messages each has not read, as the old service counts them. */
class UnreadCounts {
  readonly #readers: { userId: string; readAtMs: number; count: number }[];

  constructor(participants: readonly OldParticipant[]) {
    this.#readers = participants.map(({ userId, lastReadAt }) => ({
      userId,
      readAtMs: lastReadAt?.getTime() ?? Number.NEGATIVE_INFINITY,
      count: 0,
    }));
  }

  add({ senderId, createdAt, deletedAt }: OldMessage): void {
    if (deletedAt) return;
    for (const reader of this.#readers)
      if (createdAt.getTime() > reader.readAtMs && senderId !== reader.userId) reader.count += 1;
  }

  of(index: number): number {
    return this.#readers[index]?.count ?? 0;
  }
}

/** Which messages whom they are hidden from. */
class HiddenIds {
  readonly #tenantId: string;
  readonly #byUser = new Map<string, string[]>();

  constructor(tenantId: string) {
    this.#tenantId = tenantId;
  }

  add({ deletedFor }: OldMessage, { messageId }: MessageDocument): void {
    for (const id of new Set(deletedFor ?? [])) {
      const userId = userIdOf(this.#tenantId, id);
      this.#byUser.set(userId, [...(this.#byUser.get(userId) ?? []), messageId]);
    }
  }

  async differences(store: MessageStore, { tenantId, conversationId, lastSeq }: ConversationDocument) {
    const differences: string[] = [];
    for (const [userId, expected] of this.#byUser) {
      const found = await store.messages.hiddenIn({ tenantId, conversationId, userId }, 1, lastSeq);
      if (found.sort().join() !== expected.sort().join()) differences.push(`messages hidden for ${userId}`);
    }
    return differences;
  }
}

const memberDifferences = async (
  store: MessageStore,
  head: ConversationDocument,
  old: { conversation: OldConversation; participants: readonly OldParticipant[]; unread: UnreadCounts },
): Promise<string[]> => {
  const { tenantId, conversationId, lastSeq } = head;
  const { type } = old.conversation;
  const keys = old.participants.map((p) => ({ tenantId, conversationId, userId: userIdOf(tenantId, p.userId) }));
  const differences: string[] = [];
  let active = 0;
  for (let from = 0; from < keys.length; from += maxDocumentsPerCall) {
    const chunk = keys.slice(from, from + maxDocumentsPerCall);
    const documents = await store.participants.getMany(chunk);
    const queries = chunk.map((key, i) => ({ ...key, afterSeq: documents[i]?.readSeq ?? 0, lastSeq }));
    const unread = await store.messages.countUnread(queries);
    for (const [i, document] of documents.entries()) {
      const participant = old.participants[from + i] as OldParticipant;
      const expected = oldMemberLine(tenantId, type, participant, old.unread.of(from + i));
      if (isActive(document)) active += 1;
      if (!document || newMemberLine(document, unread[i] as number) !== expected)
        differences.push(`member ${participant._id.toHexString()}`);
    }
  }
  if (head.memberCount !== active) differences.push(`${head.memberCount} members, ${active} on the old side`);
  return differences;
};
