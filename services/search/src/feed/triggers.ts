import { type LogRecord, partitionName, Topic, tenantHeader } from '@caas/event-log';
import { MessageDeleted, MessageDelivered, MessageEdited } from '@caas/proto/caas/events/v1/message_events';

/** A conversation in which something changes that the index should have. */
export interface Trigger {
  tenantId: string;
  conversationId: string;
  /** Offsets that its head has to have applied first, by "topic-partition"; empty: it is committed. */
  offsets: Record<string, number>;
  /** When the log took the first of the records, UTC milliseconds. */
  sinceMs: number;
}

/** Topics that tell of changes in what messages say. */
export const searchTopics = [Topic.messageDelivered, Topic.messageEdited, Topic.messageDeleted];

export const nameOf = ({ tenantId, conversationId }: { tenantId: string; conversationId: string }): string =>
  `${tenantId.length}:${tenantId}${conversationId}`;

/** What a record says; undefined: nothing that concerns the index, or nothing that can be read, which the workers report. */
const read = ({
  topic,
  value,
}: LogRecord): { tenantId: string; conversationId: string; committed: boolean } | undefined => {
  try {
    if (topic === Topic.messageEdited) return { ...MessageEdited.decode(value), committed: false };
    if (topic === Topic.messageDeleted) return { ...MessageDeleted.decode(value), committed: false };
    const delivered = MessageDelivered.decode(value);
    return delivered.notice?.$case === 'persisted' ? { ...delivered, committed: true } : undefined;
  } catch {
    return undefined;
  }
};

/** The conversations that records tell of, each once. */
export const triggersIn = (records: readonly LogRecord[]): Trigger[] => {
  const triggers = new Map<string, Trigger>();
  for (const record of records) {
    const told = read(record);
    if (!told || record.key !== told.conversationId || record.headers[tenantHeader] !== told.tenantId) continue;
    const { tenantId, conversationId, committed } = told;
    const offsets = committed ? {} : { [partitionName(record.topic, record.partition)]: record.offset };
    const trigger = { tenantId, conversationId, offsets, sinceMs: record.appendedAtMs };
    const name = nameOf(trigger);
    triggers.set(name, joined(triggers.get(name), trigger));
  }
  return [...triggers.values()];
};

/** Both at once: of each partition the greater offset. */
export const joined = (a: Trigger | undefined, b: Trigger): Trigger => {
  if (!a) return b;
  const offsets = { ...a.offsets };
  for (const [name, offset] of Object.entries(b.offsets)) offsets[name] = Math.max(offsets[name] ?? -1, offset);
  return { ...a, offsets, sinceMs: Math.min(a.sinceMs, b.sinceMs) };
};
