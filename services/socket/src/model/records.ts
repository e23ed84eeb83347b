import type { NewRecord, Topic } from '@caas/event-log';

/** A log record of an encoded event of caas.events.v1. */
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
    traceparent,
    'content-type': `application/x-protobuf; messageType=caas.events.v1.${messageType}`,
    'tenant-id': tenantId,
  },
});
