import type { MessageDocument } from '@caas/proto/caas/events/v1/documents';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { topicOf } from '../testing/builders.ts';
import { aRoom, c, Room, type Share, takes } from '../testing/room.ts';
import { maxPins, maxReactionUsers } from './limits.ts';
import type { ConversationEvent, EventRecord, Outcome } from './model.ts';

/**
 * What is near its limits: all pins but one are taken, one message has room for two more users, and kinds are limited to one
 * or two. Whatever is dropped there has to be dropped again, and nothing else, when it comes again.
 */
const open = ['a', 'b', 'c'];
const pinnedBefore = Array.from({ length: maxPins - 1 }, (_, i) => `p${i}`);
const crowd = Array.from({ length: maxReactionUsers - 2 }, (_, i) => `u${i}`);
const full = aRoom();
takes(full, ...[...open, ...pinnedBefore].map((id) => c.sent(id)));
takes(full, ...pinnedBefore.map((id) => c.pinned('ann', id)), ...crowd.map((id) => c.reacted(id, 'c', '+')));

/** The same records for every run: offsets go on from those of the room that is copied. */
const offsets = { ...full.head?.offsets };
const recordsOf = (events: readonly ConversationEvent[]): EventRecord[] => {
  const next = new Map<string, number>();
  return events.map((event) => {
    const topic = topicOf(event);
    const offset = next.get(topic) ?? (offsets[`${topic}-0`] ?? -1) + 1;
    next.set(topic, offset + 1);
    return { topic, partition: 0, offset, traceparent: '', event };
  });
};

const copyOf = (room: Room): Room => {
  const copy = new Room();
  copy.head = room.head;
  copy.messages = new Map(room.messages);
  copy.participants = new Map(room.participants);
  return copy;
};

/** The rules alone: one event after the other, each once. */
class Model {
  readonly pins = new Map(pinnedBefore.map((id) => [c.messageId(id), 'ann']));
  readonly reactions = new Map(open.map((id) => [c.messageId(id), new Map<string, string[]>()]));

  constructor() {
    this.reactions.get(c.messageId('c'))?.set('+', [...crowd]);
  }

  apply({ value }: Extract<ConversationEvent, { kind: 'action' }>): void {
    const { act, userId } = value;
    if (act?.$case === 'pinSet') this.#pin(act.value.messageId, act.value.pinned, userId);
    else if (act?.$case === 'reactionSet') this.#react(act.value, userId);
  }

  #pin(messageId: string, pinned: boolean, userId: string): void {
    if (!pinned) this.pins.delete(messageId);
    else if (!this.pins.has(messageId) && this.pins.size < maxPins) this.pins.set(messageId, userId);
  }

  #react(set: { messageId: string; kind: string; present: boolean; maxKinds: number }, userId: string): void {
    const kinds = this.reactions.get(set.messageId) as Map<string, string[]>;
    const users = kinds.get(set.kind) ?? [];
    if (set.present) {
      const total = [...kinds.values()].flat().length;
      const room = kinds.has(set.kind) || kinds.size < set.maxKinds;
      if (!users.includes(userId) && room && total < maxReactionUsers) kinds.set(set.kind, [...users, userId]);
    } else if (users.length === 1 && users[0] === userId) kinds.delete(set.kind);
    else if (users.includes(userId))
      kinds.set(
        set.kind,
        users.filter((id) => id !== userId),
      );
  }
}

const users = fc.constantFrom('ann', 'bob', 'cyd');
const ids = fc.constantFrom(...open);
const reaction = fc
  .tuple(users, fc.constantFrom('a', 'c'), fc.constantFrom('+', 'x', 'y'), fc.boolean(), fc.constantFrom(1, 2))
  .map((args) => c.reacted(...args));
const pin = fc.tuple(users, fc.constantFrom(...open, 'p0'), fc.boolean()).map((args) => c.pinned(...args));
const edit = fc.tuple(ids, fc.string({ maxLength: 2 })).map((args) => c.edited(...args));
const deletion = fc.constantFrom(...open, 'p0').map((id) => c.deleted(id));

interface Step {
  /** Of each topic, in this order: how many records are new, and how many come again. */
  topics: string[];
  size: number;
  back: number;
  /** What an attempt that does not commit writes; at once, or when others have committed. */
  crash: 'no' | Share;
  late: boolean;
}
const step: fc.Arbitrary<Step> = fc.record({
  topics: fc.shuffledSubarray(['user.action', 'message.edited', 'message.deleted'], { minLength: 2 }),
  size: fc.integer({ min: 1, max: 8 }),
  back: fc.nat(4),
  crash: fc.oneof(fc.constantFrom('no' as const, 'all' as const), fc.constant('some' as const), fc.nat(3)),
  late: fc.nat(3).map((n) => n === 0),
});

/** Runs the records through the steps, then to their end. */
const run = (room: Room, records: readonly EventRecord[], steps: readonly Step[]): void => {
  const queue = (topic: string) => records.filter((r) => r.topic === topic);
  const done = new Map<string, number>();
  const late: { outcome: Outcome; share: Share }[] = [];
  for (const { topics, size, back, crash, late: isLate } of steps) {
    const from = (topic: string): number => done.get(topic) ?? 0;
    const batch = topics.flatMap((t) => queue(t).slice(Math.max(0, from(t) - back), from(t) + size));
    if (crash === 'no') {
      room.take(batch);
      for (const t of topics) done.set(t, Math.min(from(t) + size, queue(t).length));
      for (const { outcome, share } of late.splice(0)) room.write(outcome, share);
    } else if (isLate) {
      late.push({ outcome: room.apply(batch), share: crash });
      room.epoch += 1;
    } else room.crash(batch, crash);
  }
  room.take(records);
};

const pinsOf = (room: Room): MessageDocument[] => [...room.messages.values()].filter((m) => m.pinnedAtMs > 0);
const runs = { numRuns: 300 };

describe('whatever crashed in between', () => {
  test('reactions and pins near their limits end as one event after the other makes them, each once', () => {
    const change = fc.oneof({ weight: 3, arbitrary: reaction }, { weight: 4, arbitrary: pin }, edit);
    fc.assert(
      fc.property(
        fc.array(change, { maxLength: 30, size: 'max' }),
        fc.array(step, { maxLength: 20, size: 'max' }),
        (events, steps) => {
          const room = copyOf(full);
          const model = new Model();
          run(room, recordsOf(events), steps);
          for (const event of events) if (event.kind === 'action') model.apply(event);
          expect(new Map(pinsOf(room).map((m) => [m.messageId, m.pinnedBy]))).toEqual(model.pins);
          expect(room.head?.pinCount).toBe(model.pins.size);
          for (const id of open)
            expect(room.message(id).reactions).toEqual(
              [...(model.reactions.get(c.messageId(id)) as Map<string, string[]>)].map(([kind, userIds]) => ({
                kind,
                userIds,
              })),
            );
        },
      ),
      runs,
    );
  });

  test('pins are counted as they are where deletions make room, and never past the limit', () => {
    const change = fc.oneof({ weight: 4, arbitrary: pin }, deletion, edit);
    fc.assert(
      fc.property(
        fc.array(change, { maxLength: 30, size: 'max' }),
        fc.array(step, { maxLength: 20, size: 'max' }),
        (events, steps) => {
          const room = copyOf(full);
          run(room, recordsOf(events), steps);
          expect(room.head?.pinCount).toBe(pinsOf(room).length);
          expect(pinsOf(room).length).toBeLessThanOrEqual(maxPins);
          expect(pinsOf(room).filter((m) => m.deletedAtMs > 0)).toEqual([]);
        },
      ),
      runs,
    );
  });
});
