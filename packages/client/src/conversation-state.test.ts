import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ConversationState, type Effect } from './conversation-state.ts';
import { emptyDigest, nextDigest } from './digest.ts';
import { aDelta, aMessage, ModelLog } from './testing/model-log.ts';
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
    if (this.#syncing || !this.#wanted) return;
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
    for (let rounds = 0; (this.stream.length > 0 || this.#wanted) && rounds < 1_000; rounds++) {
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
  // A second record of a message before the window stays pending till the next commit shows that it is none.
  give(0, false, { type: 'message', message: log.append() });
  give(0, false, { type: 'head', head: log.commit(1_000) as Head });
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

/** A state that has loaded an empty conversation. */
const loaded = (): { log: ModelLog; state: ConversationState } => {
  const log = new ModelLog(500);
  const state = new ConversationState('c1', limits);
  state.delta(log.delta(''), true);
  return { log, state };
};
const types = (effects: Effect[]) => effects.map((effect) => effect.type);

describe('a conversation', () => {
  test('takes the least position of a message delivered twice', () => {
    const { log, state } = loaded();
    const first = log.append();
    const second = log.append();
    const repeat = log.append(first.messageId);
    expect(types(state.accepted(repeat))).toEqual(['message']);
    state.accepted(second);
    expect(state.accepted(first)).toEqual([]);
    const head = log.commit(3) as Head;
    expect(types(state.headMoved(head))).toEqual(['committed', 'committed']);
    expect(state.window.committed.map((m) => m.messageId)).toEqual([first.messageId, second.messageId]);
    expect(state.duplicates).toBe(1);
    expect(state.accepted(repeat)).toEqual([]);
  });

  test('commits nothing when the digest tells of another order, and asks for a sync', () => {
    const { log, state } = loaded();
    state.accepted(log.append());
    const head = log.commit(1) as Head;
    expect(types(state.headMoved({ ...head, digest: '00000000000000ff' }))).toEqual(['sync']);
    expect(state.window.lastSeq).toBe(0);
  });

  test('commits what the digest proves but syncs for changes it may have missed', () => {
    const { log, state } = loaded();
    state.accepted(log.append());
    state.headMoved(log.commit(1) as Head);
    const missed = log.edit(0);
    state.accepted(log.append());
    expect(types(state.headMoved(log.commit(1) as Head))).toEqual(['committed', 'sync']);
    expect(state.window.lastSeq).toBe(2);
    expect(types(state.delta(log.delta(state.cursor), false))).toEqual(['changed']);
    expect(state.window.at(1)?.editedAtMs).toBe(missed?.message.editedAtMs);
    expect(state.rev).toBe(log.rev);
  });

  test('starts again from nothing when a complete delta does not give the digest of its head', () => {
    const { log, state } = loaded();
    log.append();
    log.commit(1);
    const delta = log.delta(state.cursor);
    const wrong = { ...delta, head: { ...(delta.head as Head), digest: '00000000000000ff' } };
    expect(types(state.delta(wrong, false))).toContain('diverged');
    expect(state.cursor).toBe('');
    state.delta(log.delta(''), true);
    expect(state.window.digest).toBe(log.digest);
    expect(state.ready).toBe(true);
  });

  test('tells of leaving when the sync is refused because the user is not a member', () => {
    const { state } = loaded();
    expect(types(state.delta(aDelta({ refused: 'CONVERSATION_NOT_FOUND' }), false))).toEqual(['left']);
  });

  test('begins without a cursor when its cursor is not known any more', () => {
    const { state } = loaded();
    state.cursor = 'old';
    expect(types(state.delta(aDelta({ refused: 'CURSOR_INVALID' }), false))).toEqual(['sync']);
    expect(state.cursor).toBe('');
  });

  test('keeps a change that overtakes the commit of its message', () => {
    const { log, state } = loaded();
    const message = log.append();
    state.accepted(message);
    const head = log.commit(1) as Head;
    state.changed({ ...message, seq: 1, rev: 1, editedAtMs: 7 });
    expect(types(state.headMoved(head))).toEqual(['committed']);
    expect(state.window.at(1)).toMatchObject({ seq: 1, rev: 1, editedAtMs: 7 });
  });

  test('ignores changes, participants and fields older than what it has', () => {
    const { log, state } = loaded();
    state.accepted(log.append());
    state.headMoved(log.commit(1) as Head);
    const edit = log.edit(0)?.message as Message;
    expect(types(state.changed(edit))).toEqual(['changed']);
    expect(state.changed({ ...edit, editedAtMs: 1, rev: 1 })).toEqual([]);
    const participant = { conversationId: 'c1', userId: 'u', rev: 3 } as never;
    expect(types(state.participantChanged(participant))).toEqual(['participant']);
    expect(state.participantChanged(participant)).toEqual([]);
  });

  test('ignores a late record of a message that has left the window', () => {
    const log = new ModelLog(500);
    const state = new ConversationState('c1', { ...limits, maxWindowMessages: 1 });
    state.delta(log.delta(''), true);
    const messages = [log.append(), log.append()];
    for (const message of messages) state.accepted(message);
    state.headMoved(log.commit(2) as Head);
    expect(state.window.committed).toHaveLength(1);
    expect(state.accepted(messages[0] as Message)).toEqual([]);
    expect(state.window.pending.size).toBe(0);
  });

  test('takes no revision from a head before it has loaded, for the changes before it are not here', () => {
    const log = new ModelLog(500);
    log.append();
    log.commit(1);
    const state = new ConversationState('c1', limits);
    state.delta({ ...log.delta(''), more: true }, true);
    const rest = log.delta(state.cursor);
    log.edit(0);
    // A head that does not say which changes it follows: no predecessor.
    state.headMoved(log.head(0));
    expect(types(state.delta(rest, false))).toContain('sync');
    state.delta(log.delta(state.cursor), false);
    expect(state.window.at(1)?.editedAtMs).toBe(log.messages[0]?.editedAtMs);
  });

  test('asks again when a delta from the start was read before a head it has already followed', () => {
    const { log, state } = loaded();
    const asked = log.delta('');
    state.accepted(log.append());
    state.headMoved(log.commit(1) as Head);
    state.restart();
    expect(types(state.delta(asked, true))).toContain('sync');
    state.delta(log.delta(state.cursor), false);
    expect(state.window.digest).toBe(log.digest);
  });

  test('forgets a rejected record, but not another record of the same message', () => {
    const { state } = loaded();
    state.accepted(aMessage({ messageId: 'm', position: 5 }));
    const rejected = { conversationId: 'c1', messageId: 'm', clientMsgId: '', error: undefined };
    expect(state.rejected({ ...rejected, position: 9 })).toBe(false);
    expect(state.window.pending.size).toBe(1);
    expect(state.rejected({ ...rejected, position: 5 })).toBe(true);
    expect(state.window.pending.size).toBe(0);
  });

  test('leaves what exceeds the bound of pending messages to sync', () => {
    const state = new ConversationState('c1', { ...limits, maxPendingMessages: 1 });
    state.accepted(aMessage({ messageId: 'a', position: 1 }));
    expect(types(state.accepted(aMessage({ messageId: 'b', position: 2 })))).toEqual(['sync']);
    expect(state.window.pending.size).toBe(1);
  });
});

test('the digest chain is that of the service', () => {
  expect(nextDigest(emptyDigest, 'a')).toBe('d7fe8b5c4a504869');
});
