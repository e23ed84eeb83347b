import { CaasError } from '@caas/kit';
import { partitionAmong } from './partition.ts';
import type { TopicName } from './port.ts';
import type { SlotState } from './sqlite-event-log-worker.ts';

/** One partition of one topic, as the main half sees it. */
export interface Slot {
  readonly id: number;
  readonly topic: TopicName;
  readonly partition: number;
  /** First kept offset. */
  first: number;
  /** Next free offset; everything below is durable. */
  next: number;
  /** Called when `next` has grown. */
  readonly wakers: Set<() => void>;
}

/** The slots of every topic. */
export class SlotTable {
  readonly all: readonly Slot[];
  readonly #byTopic = new Map<TopicName, Slot[]>();

  constructor(layout: readonly SlotState[]) {
    this.all = layout.map(({ slot, topic, partition, first, next }) => {
      return { id: slot, topic, partition, first, next, wakers: new Set() };
    });
    for (const slot of this.all) {
      const slots = this.#byTopic.get(slot.topic) ?? [];
      slots[slot.partition] = slot;
      this.#byTopic.set(slot.topic, slots);
    }
  }

  /** Slots of a topic by partition; INVALID_ARGUMENT for a topic the log does not have. */
  ofTopic(topic: TopicName): readonly Slot[] {
    const slots = this.#byTopic.get(topic);
    if (!slots) throw new CaasError('INVALID_ARGUMENT', 'unknown topic', { details: { topic } });
    return slots;
  }

  ofKey(topic: TopicName, key: string): Slot {
    const slots = this.ofTopic(topic);
    return slots[slots.length === 1 ? 0 : partitionAmong(slots.length, key)] as Slot;
  }

  ofPartition(topic: TopicName, partition: number): Slot {
    const slot = this.ofTopic(topic)[partition];
    if (!slot)
      throw new CaasError('INVALID_ARGUMENT', 'unknown partition', {
        details: { topic, partition: String(partition) },
      });
    return slot;
  }
}
