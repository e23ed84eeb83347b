/**
 * Documents as they lie in MongoDB: the encoded protobuf message as `body`, and beside it what is looked up, ordered or
 * compared. 64-bit numbers are stored as such, whatever their size, so that other tools see one type.
 */
import { type CaasError, fail } from '@caas/kit';
import { type Encoder, encodeMessage } from '@caas/kit/encode';
import { textKey } from '@caas/mongo';
import { ParticipantState } from '@caas/proto/caas/events/v1/content';
import {
  ConversationDocument,
  type HiddenDocument,
  MessageDocument,
  ParticipantDocument,
} from '@caas/proto/caas/events/v1/documents';
import { Binary, Long } from 'mongodb';
import type { ConversationKey, HiddenKey, MessageKey, ParticipantKey } from '../port.ts';

/** Greatest size of an encoded document, in bytes: MongoDB takes 16 MiB, and the fields beside it need room. */
export const maxBodyBytes = 16 * 1024 * 1024 - 64 * 1024;

/** What every document has; tenant and conversation are the shard key. */
interface Row {
  _id: string;
  tenant: string;
  conversation: string;
}
/** A document that is written under an epoch. */
export interface GuardedRow extends Row {
  rev: Long;
  epoch: Long;
  body: Binary;
}

export interface MessageRow extends GuardedRow {
  seq: Long;
  /** Who never counts it as unread: its sender, or, of a tombstone, everybody (true). */
  quietFor: string | true;
  /** Only of a reply in a thread: the thread's key, and its seq again, so that the index has replies only. */
  thread?: string;
  threadSeq?: Long;
  /** Only of a pinned message: the conversation's key, when it was pinned, and its seq again. */
  pinnedIn?: string;
  pinnedAt?: Long;
  pinnedSeq?: Long;
}

export interface ParticipantRow extends GuardedRow {
  user: string;
  active: boolean;
}

export interface ConversationRow extends Row {
  headRev: Long;
  epoch: Long;
  body: Binary;
}

export interface HiddenRow extends Row {
  user: string;
  message: string;
  seq: Long;
  rev: Long;
}

export interface CounterRow {
  _id: string;
  value: Long;
}

/** A shard of the log, by its number: its owner's epoch, and the position kept as JSON, for names of topics have dots. */
export interface ShardRow {
  _id: number;
  epoch: Long;
  position: string;
}

export const conversationId = (key: ConversationKey): string => textKey(key.tenantId, key.conversationId);
export const messageId = (key: MessageKey): string => textKey(key.tenantId, key.conversationId, key.messageId);
export const participantId = (key: ParticipantKey): string => textKey(key.tenantId, key.conversationId, key.userId);
/** A message is known to its user by its seq, which it keeps once it is committed. */
export const hiddenId = (key: HiddenKey): string =>
  textKey(key.tenantId, key.conversationId, key.userId, String(key.seq));

export const int64 = (value: number): Long => Long.fromNumber(value);
/** All documents of a conversation, as a filter. */
export const within = (key: ConversationKey) => ({ tenant: key.tenantId, conversation: key.conversationId });

const bodyOf = <T>(codec: Encoder<T>, document: T): Binary => {
  const bytes = encodeMessage(codec, document);
  if (bytes.byteLength > maxBodyBytes) tooLarge();
  return new Binary(bytes);
};

const tooLarge = (): CaasError =>
  fail('INVALID_ARGUMENT', `a document of more than ${maxBodyBytes} bytes`, {
    details: { limit: 'maxBodyBytes', value: String(maxBodyBytes), unit: 'bytes' },
  });

export const messageRow = (document: MessageDocument): MessageRow => {
  const { threadRootId, pinnedAtMs } = document;
  const seq = int64(document.seq);
  const row: MessageRow = {
    _id: messageId(document),
    ...within(document),
    seq,
    rev: int64(document.rev),
    epoch: int64(document.epoch),
    quietFor: document.deletedAtMs > 0 ? true : document.senderId,
    body: bodyOf(MessageDocument, document),
  };
  if (threadRootId !== '' && threadRootId !== document.messageId) {
    row.thread = messageId({ ...document, messageId: threadRootId });
    row.threadSeq = seq;
  }
  if (pinnedAtMs > 0) {
    row.pinnedIn = conversationId(document);
    row.pinnedAt = int64(pinnedAtMs);
    row.pinnedSeq = seq;
  }
  return row;
};

export const participantRow = (document: ParticipantDocument): ParticipantRow => ({
  _id: participantId(document),
  ...within(document),
  user: document.userId,
  active: document.state === ParticipantState.PARTICIPANT_STATE_ACTIVE,
  rev: int64(document.rev),
  epoch: int64(document.epoch),
  body: bodyOf(ParticipantDocument, document),
});

export const conversationRow = (document: ConversationDocument): ConversationRow => ({
  _id: conversationId(document),
  ...within(document),
  headRev: int64(document.headRev),
  epoch: int64(document.epoch),
  body: bodyOf(ConversationDocument, document),
});

export const hiddenRow = (document: HiddenDocument): HiddenRow => ({
  _id: hiddenId(document),
  ...within(document),
  user: document.userId,
  message: document.messageId,
  seq: int64(document.seq),
  rev: int64(document.rev),
});
