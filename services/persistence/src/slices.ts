import { weightOf } from './apply/needs.ts';
import type { Decoded } from './decode.ts';
import { conversationName, type Group } from './shard-state.ts';

export type DecodedEvent = Extract<Decoded, { kind: 'event' }>;

/** Consecutive events that together need at most `maxWeight` documents (or one event that needs more by itself). */
export const slicesOf = (events: readonly DecodedEvent[], maxWeight: number): DecodedEvent[][] => {
  const slices: DecodedEvent[][] = [];
  let slice: DecodedEvent[] = [];
  let weight = 0;
  for (const event of events) {
    const own = weightOf(event.record);
    if (slice.length > 0 && weight + own > maxWeight) {
      slices.push(slice);
      slice = [];
      weight = 0;
    }
    slice.push(event);
    weight += own;
  }
  if (slice.length > 0) slices.push(slice);
  return slices;
};

/** Events by conversation; the order within each stays. */
export const groupsOf = (events: readonly DecodedEvent[]): Group[] => {
  const groups = new Map<string, Group>();
  for (const { tenantId, conversationId, record, source } of events) {
    const name = conversationName(tenantId, conversationId);
    let group = groups.get(name);
    if (!group) {
      group = { tenantId, conversationId, name, records: [], sources: [] };
      groups.set(name, group);
    }
    group.records.push(record);
    group.sources.push(source);
  }
  return [...groups.values()];
};
