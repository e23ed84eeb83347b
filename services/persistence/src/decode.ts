import { type LogRecord, Topic, tenantHeader, traceparentHeader, usersNamedIn } from '@caas/event-log';
import { isTraceparent } from '@caas/kit';
import { ConversationUpdated } from '@caas/proto/caas/events/v1/conversation_events';
import {
  MessageDeleted,
  MessageDelivered,
  MessageEdited,
  MessageSent,
} from '@caas/proto/caas/events/v1/message_events';
import { UserAction } from '@caas/proto/caas/events/v1/user_action';
import type { ConversationEvent, EventRecord } from './apply/model.ts';

/** Greatest length of any id, in characters. */
export const maxIdLength = 128;

/** A record of the log as the worker takes it. */
export type Decoded =
  | { kind: 'event'; tenantId: string; conversationId: string; record: EventRecord; source: LogRecord }
  /** A notice of the workers themselves: nothing to apply. */
  | { kind: 'notice' }
  | { kind: 'poison'; source: LogRecord; reason: string };

interface Addressed {
  tenantId: string;
  conversationId: string;
}

/** The event in a record, or why it can't be one. */
export const decode = (source: LogRecord): Decoded => {
  const poison = (reason: string): Decoded => ({ kind: 'poison', source, reason });
  let read: { at: Addressed; event: ConversationEvent | 'notice' | undefined };
  try {
    read = readValue(source);
  } catch {
    return poison('the value is not the protobuf message of its topic');
  }
  const { at, event } = read;
  const { tenantId, conversationId } = at;
  if (!isId(tenantId) || !isId(conversationId)) return poison('tenant or conversation is not an id');
  if (source.key !== conversationId) return poison('the key is not the conversation');
  if (source.headers[tenantHeader] !== tenantId) return poison('the tenant of the header is not that of the value');
  if (event === undefined) return poison('the value says nothing this version knows');
  if (event === 'notice') return { kind: 'notice' };
  if (!idsOf(event).every(isId)) return poison('a user or message is not an id');
  const { topic, partition, offset } = source;
  const given = source.headers[traceparentHeader] ?? '';
  const traceparent = isTraceparent(given) ? given : '';
  return { kind: 'event', tenantId, conversationId, record: { topic, partition, offset, traceparent, event }, source };
};

const readValue = ({ topic, value }: LogRecord): { at: Addressed; event: ConversationEvent | 'notice' | undefined } => {
  switch (topic) {
    case Topic.messageSent: {
      const sent = MessageSent.decode(value);
      return { at: sent, event: { kind: 'sent', value: sent } };
    }
    case Topic.messageEdited: {
      const edited = MessageEdited.decode(value);
      return { at: edited, event: { kind: 'edited', value: edited } };
    }
    case Topic.messageDeleted: {
      const deleted = MessageDeleted.decode(value);
      return { at: deleted, event: { kind: 'deleted', value: deleted } };
    }
    case Topic.messageDelivered: {
      const delivered = MessageDelivered.decode(value);
      const { notice } = delivered;
      if (notice?.$case === 'persisted') return { at: delivered, event: 'notice' };
      return { at: delivered, event: notice && { kind: 'receipt', value: notice.value } };
    }
    case Topic.conversationUpdated: {
      const updated = ConversationUpdated.decode(value);
      return { at: updated, event: updated.change && { kind: 'updated', value: updated } };
    }
    case Topic.userAction: {
      const action = UserAction.decode(value);
      return { at: action, event: action.act && { kind: 'action', value: action } };
    }
    default:
      return { at: { tenantId: '', conversationId: '' }, event: undefined };
  }
};

/** Printable ASCII: what the digest, keys and indexes of every engine treat alike. */
const isId = (id: string): boolean => id.length > 0 && id.length <= maxIdLength && /^[!-~]+$/.test(id);

const idsOf = (event: ConversationEvent): readonly string[] => {
  if (event.kind === 'sent') return [event.value.messageId, event.value.senderId];
  if (event.kind === 'edited' || event.kind === 'deleted') return [event.value.messageId];
  if (event.kind === 'receipt') return [event.value.userId];
  if (event.kind === 'updated') return usersNamedIn(event.value);
  const { act, userId } = event.value;
  return act && act.$case !== 'muteSet' ? [userId, act.value.messageId] : [userId];
};
