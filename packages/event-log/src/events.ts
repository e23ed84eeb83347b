import type { ConversationUpdated } from '@caas/proto/caas/events/v1/conversation_events';
import type { NewRecord } from './port.ts';
import type { Topic } from './topics.ts';

/** Events of caas.events.v1 as records of the log. */

/** Header of a record's W3C trace context. */
export const traceparentHeader = 'traceparent';
/** Header of a record's tenant; has to name the tenant that its value names. */
export const tenantHeader = 'tenant-id';

/** A log record of an encoded event of caas.events.v1; `traceparent` empty: of no trace. */
export const recordOf = (
  topic: Topic,
  messageType: string,
  tenantId: string,
  key: string,
  value: Uint8Array,
  traceparent: string,
): NewRecord => ({
  topic,
  key,
  value,
  headers: {
    'content-type': `application/x-protobuf; messageType=caas.events.v1.${messageType}`,
    [tenantHeader]: tenantId,
    ...(traceparent !== '' && { [traceparentHeader]: traceparent }),
  },
});

/** The users whose membership or role a change names. */
export const usersNamedIn = ({ change }: Pick<ConversationUpdated, 'change'>): readonly string[] => {
  switch (change?.$case) {
    case 'created':
    case 'membersAdded':
      return change.value.members.map((member) => member.userId);
    case 'membersRemoved':
      return change.value.userIds;
    case 'roleChanged':
      return [change.value.userId];
    default:
      return [];
  }
};
