import { type EventLog, recordOf, Topic } from '@caas/event-log';
import { encodeMessage } from '@caas/kit/encode';
import { MessageDelivered, MessageRejected } from '@caas/proto/caas/events/v1/message_events';
import type { Rejection } from './apply/model.ts';

interface About {
  tenantId: string;
  conversationId: string;
}

/** Messages of one conversation that are committed. */
export interface Persisted extends About {
  headRev: number;
  firstSeq: number;
  lastSeq: number;
  digest: string;
  /** Trace context of the last message. */
  traceparent: string;
}

/**
 * Tells of committed messages on message.delivered. After the commit, so a crash in between loses the notice: the records
 * then come again, are found applied, and are told again. At least once.
 */
export const tellPersisted = async (log: EventLog, persisted: readonly Persisted[]): Promise<void> => {
  if (persisted.length === 0) return;
  await log.append(
    persisted.map(({ tenantId, conversationId, traceparent, ...value }) => {
      const delivered = { tenantId, conversationId, notice: { $case: 'persisted' as const, value } };
      const bytes = encodeMessage(MessageDelivered, delivered);
      return recordOf(Topic.messageDelivered, 'MessageDelivered', tenantId, conversationId, bytes, traceparent);
    }),
  );
};

/**
 * Tells of rejected messages on message.rejected. Before the commit, because afterwards the records are skipped and nobody
 * would know: a sender may be told twice, never not at all.
 */
export const tellRejected = async (log: EventLog, rejections: readonly Rejection[]): Promise<void> => {
  if (rejections.length === 0) return;
  await log.append(
    rejections.map(({ rejected, traceparent }) =>
      recordOf(
        Topic.messageRejected,
        'MessageRejected',
        rejected.tenantId,
        rejected.conversationId,
        encodeMessage(MessageRejected, rejected),
        traceparent,
      ),
    ),
  );
};
