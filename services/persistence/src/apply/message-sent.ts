import { positionOf } from '@caas/event-log';
import { type Reason, reasonNumber, traceIdOf } from '@caas/kit';
import { nextDigest } from '@caas/message-store';
import type { MessageSent } from '@caas/proto/caas/events/v1/message_events';
import type { Draft } from './draft.ts';
import type { EventRecord } from './model.ts';
import { noPinYet } from './pin-documents.ts';

const traceIdOrEmpty = (traceparent: string): string => (traceparent === '' ? '' : traceIdOf(traceparent));

const reject = (draft: Draft, sent: MessageSent, record: EventRecord, reason: Reason): void => {
  const { tenantId, conversationId, messageId, clientMsgId, senderId, nodeId } = sent;
  const position = positionOf(record.offset);
  const traceId = traceIdOrEmpty(record.traceparent);
  draft.rejections.push({
    rejected: {
      tenantId,
      conversationId,
      messageId,
      clientMsgId,
      senderId,
      position,
      reason: reasonNumber(reason),
      traceId,
      ruleId: '',
      policyVersion: 0,
      edit: false,
    },
    traceparent: record.traceparent,
    nodeId,
  });
};

/** Gives the message its place. A retry of the same message changes nothing; the same id with other content is told. */
export const applySent = (draft: Draft, sent: MessageSent, record: EventRecord): void => {
  if (!draft.exists) {
    reject(draft, sent, record, 'CONVERSATION_NOT_FOUND');
    return;
  }
  const known = draft.message(sent.messageId);
  if (known) {
    if (!known.contentHash.equals(sent.contentHash)) reject(draft, sent, record, 'IDEMPOTENCY_CONFLICT');
    return;
  }
  const { conversation } = draft;
  const position = positionOf(record.offset);
  conversation.lastSeq += 1;
  conversation.lastPosition = position;
  conversation.digest = nextDigest(conversation.digest, sent.messageId);
  draft.putMessage({
    tenantId: sent.tenantId,
    conversationId: sent.conversationId,
    messageId: sent.messageId,
    clientMsgId: sent.clientMsgId,
    senderId: sent.senderId,
    seq: conversation.lastSeq,
    rev: 0,
    epoch: 0,
    position,
    content: sent.content,
    contentHash: sent.contentHash,
    replyToMessageId: sent.replyToMessageId,
    threadRootId: sent.threadRootId,
    forwardedFrom: sent.forwardedFrom,
    acceptedAtMs: sent.acceptedAtMs,
    editedAtMs: 0,
    editCount: 0,
    edits: [],
    deletedAtMs: 0,
    deletedBy: '',
    reactions: [],
    traceId: traceIdOrEmpty(record.traceparent),
    digest: conversation.digest,
    editedPosition: 0,
    reactionPosition: 0,
    ...noPinYet,
  });
};
