import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ConversationState, type Effect } from './conversation-state.ts';
import { nextDigest } from './digest.ts';
import { ModelLog } from './testing/model-log.ts';
import type { ConversationDelta } from './wire/frames.ts';
import type { Head, Message } from './wire/resources.ts';

const limits = { maxWindowMessages: 1_000, maxPendingMessages: 1_000, maxParticipants: 10 };

type Frame =
  | { type: 'message'; message: Message }
  | { type: 'changed'; message: Message }
  | { type: 'head'; head: Head }
  | { type: 'limited' }
  | { type: 'delta'; delta: ConversationDelta; fromStart: boolean };

/** A client on an ordered stream, which asks for deltas as the synchroniser does: one at a time. */
class ModelClient {
  readonly state: ConversationState;
  readonly log: ModelLog;
  readonly stream: Frame[] = [];
  readonly announced: string[] = [];
  readonly committed: number[] = [];
  divergences = 0;
  #syncing = false;
  #wanted = true;

  constructor(log: ModelLog, maxWindowMessages = limits.maxWindowMessages) {
    this.log = log;
    this.state = new ConversationState('c1', { ...limits, maxWindowMessages });
  }

  /** The node serves the sync that is asked for; its answer takes its place in the stream. */
  serveSync(): void {
    // A grace that ends at any moment.
    if (this.#syncing || !(this.#wanted || this.state.behind)) return;
    this.#wanted = false;
    this.#syncing = true;
    const { cursor } = this.state;
    this.stream.push({ type: 'delta', delta: this.log.delta(cursor), fromStart: cursor === '' });
  }

  receive(count: number): void {
    for (const frame of this.stream.splice(0, count)) {
      this.#effects(this.#apply(frame));
      this.#check();
    }
  }

  settle(): void {
    this.stream.push({ type: 'head', head: this.log.head(this.log.rev) });
    for (let rounds = 0; (this.stream.length > 0 || this.#wanted || this.state.behind) && rounds < 1_000; rounds++) {
      this.serveSync();
      this.receive(this.stream.length);
    }
  }

  #apply(frame: Frame): Effect[] {
    if (frame.type === 'message') return this.state.accepted(frame.message);
    if (frame.type === 'changed') return this.state.changed(frame.message);
    if (frame.type === 'head') return this.state.headMoved(frame.head);
    if (frame.type === 'limited') return [{ type: 'sync' }];
    this.#syncing = false;
    return this.state.delta(frame.delta, frame.fromStart);
  }

  #effects(effects: Effect[]): void {
    for (const effect of effects) {
      if (effect.type === 'sync') this.#wanted = true;
      if (effect.type === 'diverged') this.divergences++;
      if (effect.type === 'message') this.announced.push(effect.message.messageId);
      if (effect.type === 'committed') this.committed.push(effect.message.seq);
    }
  }

  /** What must hold after each step: a prefix of the one order, without gaps, under its digest. */
  #check(): void {
    const { window } = this.state;
    window.committed.forEach((message, i) => {
      expect(message.seq).toBe(window.startSeq + i + 1);
      expect(message.messageId).toBe(this.log.messages[message.seq - 1]?.messageId);
      expect(window.pending.has(message.messageId)).toBe(false);
    });
    expect(window.digest).toBe(window.committed.reduce((d, m) => nextDigest(d, m.messageId), window.startDigest));
  }
}

/** Steps of a random history. */
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ op: fc.constant('send' as const), lose: fc.nat(31) }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('repeat' as const), which: fc.nat(), lose: fc.nat(31) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant('commit' as const),
      count: fc.integer({ min: 1, max: 6 }),
      lose: fc.nat(31),
    }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('edit' as const), which: fc.nat(), lose: fc.nat(31) }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('serve' as const), client: fc.nat(2) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      op: fc.constant('receive' as const),
      client: fc.nat(2),
      count: fc.integer({ min: 1, max: 8 }),
    }),
  },
);

const run = (steps: Step[], pageSize: number, maxWindow: number): { log: ModelLog; clients: ModelClient[] } => {
  const log = new ModelLog(pageSize);
  const clients = [0, 1, 2].map(() => new ModelClient(log, maxWindow));
  // Bit i of `lose` (beyond the 3 clients: never) takes the frames from client i.
  const give = (lose: number, told: boolean, ...frames: Frame[]): void => {
    clients.forEach((client, i) => {
      if ((lose >> i) & 1 && lose > 15) {
        if (told) client.stream.push({ type: 'limited' });
      } else client.stream.push(...frames);
    });
  };
  for (const s of steps) {
    if (s.op === 'send') give(s.lose, false, { type: 'message', message: log.append() });
    if (s.op === 'repeat') {
      const id = log.accepted(s.which);
      if (id) give(s.lose, false, { type: 'message', message: log.append(id) });
    }
    if (s.op === 'commit') {
      const head = log.commit(s.count);
      if (head) give(s.lose, false, { type: 'head', head });
    }
    if (s.op === 'edit') {
      const edit = log.edit(s.which);
      if (edit) give(s.lose, true, { type: 'changed', message: edit.message }, { type: 'head', head: edit.head });
    }
    if (s.op === 'serve') clients[s.client]?.serveSync();
    if (s.op === 'receive') clients[s.client]?.receive(s.count);
  }
  log.commit(1_000);
  for (const client of clients) client.settle();
  return { log, clients };
};

describe('every interleaving of deliveries, losses, repeats, heads and syncs', () => {
  test('ends with the same list, content and digest at every client', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), fc.integer({ min: 1, max: 7 }), (steps, pageSize) => {
        const { log, clients } = run(steps, pageSize, 1_000);
        for (const { state, divergences } of clients) {
          const { window } = state;
          const told = (m: Message) => [m.messageId, m.seq, m.editedAtMs];
          expect(window.committed.map(told)).toEqual(log.messages.slice(window.startSeq).map(told));
          expect(window.digest).toBe(log.digest);
          expect(state.rev).toBe(log.rev);
          expect(window.pending.size).toBe(0);
          expect(divergences).toBe(0);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test('announces each message once and each commit in seq order', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), fc.integer({ min: 1, max: 7 }), (steps, pageSize) => {
        for (const { announced, committed } of run(steps, pageSize, 1_000).clients) {
          expect(new Set(announced).size).toBe(announced.length);
          expect(committed).toEqual([...new Set(committed)].sort((a, b) => a - b));
        }
      }),
      { numRuns: 300 },
    );
  });

  test('keeps the window within its bound, with the digest of what was trimmed', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), fc.integer({ min: 1, max: 5 }), (steps, maxWindow) => {
        const { log, clients } = run(steps, 5, maxWindow);
        for (const { state } of clients) {
          expect(state.window.committed.length).toBeLessThanOrEqual(maxWindow);
          expect(state.window.digest).toBe(log.digest);
          expect(state.rev).toBe(log.rev);
        }
      }),
      { numRuns: 300 },
    );
  });
});
