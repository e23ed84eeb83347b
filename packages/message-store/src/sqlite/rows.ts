/** Documents and keys as the columns that cross to the threads. */

import { ParticipantState } from '@caas/proto/caas/events/v1/content';
import type { HiddenDocument, MessageDocument, ParticipantDocument } from '@caas/proto/caas/events/v1/documents';
import type { ConversationKey, HeadCommit, MessageKey, ParticipantKey } from '../port.ts';
import {
  type CommitRows,
  commitNums,
  type HiddenRows,
  hiddenNums,
  type MessageRows,
  messageNums,
  type ParticipantRows,
  participantNums,
} from './write-handlers.ts';

type Owned<R> = R & { bodies: Uint8Array<ArrayBuffer>; nums: Float64Array<ArrayBuffer> };

export const conversationKeys = (keys: readonly ConversationKey[]): string[] => {
  const flat: string[] = [];
  for (const key of keys) flat.push(key.tenantId, key.conversationId);
  return flat;
};
export const messageKeys = (keys: readonly MessageKey[]): string[] => {
  const flat: string[] = [];
  for (const key of keys) flat.push(key.tenantId, key.conversationId, key.messageId);
  return flat;
};
export const participantKeys = (keys: readonly ParticipantKey[]): string[] => {
  const flat: string[] = [];
  for (const key of keys) flat.push(key.tenantId, key.conversationId, key.userId);
  return flat;
};

/** The distinct conversations of documents, and which one each document has. */
const distinct = (documents: readonly ConversationKey[]): { conversations: string[]; at: number[] } => {
  const conversations: string[] = [];
  const numbers = new Map<string, number>();
  const at = documents.map(({ tenantId, conversationId }) => {
    const name = `${tenantId.length}:${tenantId}${conversationId}`;
    let number = numbers.get(name);
    if (number === undefined) {
      number = numbers.size;
      numbers.set(name, number);
      conversations.push(tenantId, conversationId);
    }
    return number;
  });
  return { conversations, at };
};

export const messageRows = (
  documents: readonly MessageDocument[],
  bodies: Uint8Array<ArrayBuffer>,
): Owned<MessageRows> => {
  const { conversations, at } = distinct(documents);
  const nums = new Float64Array(documents.length * messageNums);
  for (const [i, d] of documents.entries()) {
    const deleted = d.deletedAtMs > 0 ? 1 : 0;
    nums.set([at[i] as number, d.seq, d.rev, d.epoch, deleted, d.pinnedAtMs], i * messageNums);
  }
  return {
    conversations,
    messageIds: documents.map((d) => d.messageId),
    senderIds: documents.map((d) => d.senderId),
    threadRootIds: documents.map((d) => d.threadRootId),
    nums,
    bodies,
  };
};

export const participantRows = (
  documents: readonly ParticipantDocument[],
  bodies: Uint8Array<ArrayBuffer>,
): Owned<ParticipantRows> => {
  const { conversations, at } = distinct(documents);
  const nums = new Float64Array(documents.length * participantNums);
  for (const [i, d] of documents.entries()) {
    const active = d.state === ParticipantState.PARTICIPANT_STATE_ACTIVE ? 1 : 0;
    nums.set([at[i] as number, active, d.rev, d.epoch], i * participantNums);
  }
  return { conversations, userIds: documents.map((d) => d.userId), nums, bodies };
};

export const commitRows = (commits: readonly HeadCommit[], bodies: Uint8Array<ArrayBuffer>): Owned<CommitRows> => {
  const nums = new Float64Array(commits.length * commitNums);
  for (const [i, c] of commits.entries())
    nums.set([c.expectedHeadRev, c.document.headRev, c.document.epoch], i * commitNums);
  return { conversations: conversationKeys(commits.map((c) => c.document)), nums, bodies };
};

export const hiddenRows = (documents: readonly HiddenDocument[]): HiddenRows => {
  const { conversations, at } = distinct(documents);
  const nums = new Float64Array(documents.length * hiddenNums);
  for (const [i, d] of documents.entries()) nums.set([at[i] as number, d.seq, d.rev], i * hiddenNums);
  return {
    conversations,
    userIds: documents.map((d) => d.userId),
    messageIds: documents.map((d) => d.messageId),
    nums,
  };
};
