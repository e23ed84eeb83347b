import { partitionName } from '@caas/event-log';
import type { ConversationUpdated } from '@caas/proto/caas/events/v1/conversation_events';
import type {
  ConversationDocument,
  HiddenDocument,
  MessageDocument,
  ParticipantDocument,
} from '@caas/proto/caas/events/v1/documents';
import type {
  MessageDeleted,
  MessageEdited,
  MessageRejected,
  MessageSent,
  Receipt,
} from '@caas/proto/caas/events/v1/message_events';
import type { DocumentChange } from '@caas/proto/caas/events/v1/node_envelope';
import type { UserAction } from '@caas/proto/caas/events/v1/user_action';

/** What happened, decoded and checked. */
export type ConversationEvent =
  | { kind: 'sent'; value: MessageSent }
  | { kind: 'edited'; value: MessageEdited }
  | { kind: 'deleted'; value: MessageDeleted }
  | { kind: 'receipt'; value: Receipt }
  | { kind: 'updated'; value: ConversationUpdated }
  | { kind: 'action'; value: UserAction };

/** An event with its place in the log. */
export interface EventRecord {
  topic: string;
  partition: number;
  offset: number;
  /** W3C trace context of the act, well formed; empty when the record carried none. */
  traceparent: string;
  event: ConversationEvent;
}

/** What the store holds of one conversation, as far as its events need it. */
export interface Base {
  tenantId: string;
  conversationId: string;
  /** Undefined when there is none. */
  conversation: ConversationDocument | undefined;
  /** By message id; committed or not. */
  messages: ReadonlyMap<string, MessageDocument>;
  /** By user id; committed or not. */
  participants: ReadonlyMap<string, ParticipantDocument>;
  /** Committed owners, counted where the conversation's document does not say and an event may change their number. */
  ownerCount?: number;
}

/** What the events of a batch make of a conversation: to be written in step 1, committed in step 2, told afterwards. */
export interface Outcome {
  /** The head before. */
  base: ConversationDocument | undefined;
  /** The head after; undefined when there is no conversation, and then nothing to write. */
  conversation: ConversationDocument | undefined;
  messages: MessageDocument[];
  participants: ParticipantDocument[];
  hidden: HiddenDocument[];
  rejections: Rejection[];
  /** Changed documents other than new messages. */
  changes: DocumentChange[];
  /** First seq of the new messages; 0 when there are none. */
  firstSeq: number;
  /** Offsets that became applied, by "topic-partition". */
  applied: Record<string, number>;
  /** Users who came or went. */
  affectedUsers: string[];
}

export interface Rejection {
  rejected: MessageRejected;
  traceparent: string;
  /** Node that accepted the message. */
  nodeId: string;
}

/** Whether a committed conversation already holds the effect of a record. */
export const isApplied = (
  conversation: ConversationDocument | undefined,
  record: { topic: string; partition: number; offset: number },
): boolean => record.offset <= (conversation?.offsets[partitionName(record.topic, record.partition)] ?? -1);
