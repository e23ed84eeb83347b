import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ConversationState, type Effect } from './conversation-state.ts';
import { Directory } from './directory.ts';
import { ModelLog } from './testing/model-log.ts';
import type { ConversationDelta } from './wire/frames.ts';
import type { ConversationEntry, Head, Message, Participant } from './wire/resources.ts';

type Frame =
  | { type: 'message'; message: Message }
  | { type: 'changed'; message: Message }
  | { type: 'own'; own: Participant }
  | { type: 'head'; head: Head }
  | { type: 'entry'; entry: ConversationEntry }
  | { type: 'delta'; delta: ConversationDelta; fromStart: boolean };

/** A list of one conversation on an ordered stream; the conversation is open where it has a window. */
class ModelList {
  readonly log: ModelLog;
  readonly stream: Frame[] = [];
  readonly directory: Directory;
  readonly state: ConversationState | undefined;
  /** Entries asked for after the first. */
  asked = 0;
  doubts = 0;
  #answer: ConversationEntry | undefined;
  #isAsking = false;
  #isSyncing = false;
  #wantsSync = true;

  constructor(log: ModelLog, maxWindowMessages: number) {
    this.log = log;
    const limits = { maxWindowMessages, maxPendingMessages: 100, maxParticipants: 10 };
    this.state = maxWindowMessages > 0 ? new ConversationState('c1', limits) : undefined;
    this.directory = new Directory({ maxConversations: 10, userId: () => 'me', onDoubt: () => this.doubts++ });
    this.directory.learn(log.entry());
  }

  get entry(): ConversationEntry {
    return this.directory.get('c1') as ConversationEntry;
  }

  /** The node reads the entry that is asked for now; its answer follows later. */
  ask(): void {
    if (this.#isAsking || !this.directory.needs('c1')) return;
    this.#isAsking = true;
    this.asked++;
    this.#answer = this.log.entry();
  }

  answer(): void {
    if (this.#answer) this.stream.push({ type: 'entry', entry: this.#answer });
    this.#answer = undefined;
  }

  serveSync(): void {
    if (!this.state || this.#isSyncing || !(this.#wantsSync || this.state.behind)) return;
    this.#isSyncing = true;
    this.#wantsSync = false;
    const { cursor } = this.state;
    this.stream.push({ type: 'delta', delta: this.log.delta(cursor), fromStart: cursor === '' });
  }

  receive(count: number): void {
    for (const frame of this.stream.splice(0, count)) this.#apply(frame);
  }

  settle(): void {
    this.stream.push({ type: 'head', head: this.log.head(0) });
    for (let round = 0; round < 100; round++) {
      this.serveSync();
      this.ask();
      this.answer();
      this.receive(this.stream.length);
    }
  }

  #apply(frame: Frame): void {
    const { directory, state } = this;
    if (frame.type === 'message') {
      directory.messageArrived(frame.message);
      this.#effects(state?.accepted(frame.message));
    } else if (frame.type === 'changed') {
      directory.messageChanged(frame.message);
      this.#effects(state?.changed(frame.message));
    } else if (frame.type === 'own') directory.ownChanged(frame.own);
    else if (frame.type === 'head') {
      directory.headMoved(frame.head);
      this.#effects(state?.headMoved(frame.head));
    } else if (frame.type === 'entry') {
      this.#isAsking = false;
      directory.learn(frame.entry);
      if (state) directory.reconcile('c1', state);
    } else if (state) {
      this.#isSyncing = false;
      this.#effects(state.delta(frame.delta, frame.fromStart));
      directory.reconcile('c1', state);
    }
  }

  #effects(effects: Effect[] = []): void {
    for (const effect of effects) {
      if (effect.type === 'sync') this.#wantsSync = true;
      if (effect.type === 'participant') this.directory.ownChanged(effect.participant);
      if (effect.type === 'changed') this.directory.messageChanged(effect.message);
    }
  }
}

const lists = 3;
/** Frames of a step reach a list or are lost on the way to it: bit i for list i, none when greater than 7. */
const lose = fc.nat(63);
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ op: fc.constant('send' as const), isOwn: fc.boolean(), lose }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('repeat' as const), which: fc.nat(), lose }) },
  {
    weight: 4,
    arbitrary: fc.record({ op: fc.constant('commit' as const), count: fc.integer({ min: 1, max: 6 }), lose }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('remove' as const), which: fc.nat(), lose }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('edit' as const), which: fc.nat(), lose }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('read' as const), seq: fc.nat(40), lose }) },
  {
    weight: 3,
    arbitrary: fc.record({ op: fc.constantFrom('ask' as const, 'answer' as const, 'sync' as const), list: fc.nat(2) }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      op: fc.constant('receive' as const),
      list: fc.nat(2),
      count: fc.integer({ min: 1, max: 8 }),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Plays a history to a closed conversation, one open with a small window, and one open with all of it. */
const run = (before: number, steps: Step[], isLossy: boolean): { log: ModelLog; all: ModelList[] } => {
  const log = new ModelLog(5);
  for (let i = 0; i < before; i++) log.append();
  log.commit(before);
  const all = [0, 4, 1_000].map((maxWindow) => new ModelList(log, maxWindow));
  const give = (lost: number, ...frames: Frame[]) => {
    for (let i = 0; i < lists; i++) if (!isLossy || lost > 7 || !((lost >> i) & 1)) all[i]?.stream.push(...frames);
  };
  const send = (s: { isOwn: boolean; lose: number }) =>
    give(s.lose, { type: 'message', message: log.append(undefined, s.isOwn ? 'me' : 'you') });
  for (const s of steps) {
    if (s.op === 'send') send(s);
    if (s.op === 'repeat' && isLossy) {
      const id = log.accepted(s.which);
      if (id) give(s.lose, { type: 'message', message: log.append(id) });
    }
    if (s.op === 'commit') {
      const head = log.commit(s.count);
      if (head) give(s.lose, { type: 'head', head });
    }
    if (s.op === 'remove' || s.op === 'edit') {
      const change = log[s.op](s.which);
      if (change) give(s.lose, { type: 'changed', message: change.message }, { type: 'head', head: change.head });
    }
    if (s.op === 'read') {
      const { own, head } = log.read(s.seq);
      give(s.lose, { type: 'own', own }, { type: 'head', head });
    }
    if (s.op === 'ask') all[s.list]?.ask();
    if (s.op === 'answer') all[s.list]?.answer();
    if (s.op === 'sync') all[s.list]?.serveSync();
    if (s.op === 'receive') all[s.list]?.receive(s.count);
  }
  send({ isOwn: true, lose: 63 });
  give(63, { type: 'head', head: log.commit(1_000) as Head });
  for (const list of all) list.settle();
  return { log, all };
};

const histories = [fc.nat(12), fc.array(step, { maxLength: 100 })] as const;

describe('unread counts', () => {
  test('end exact whatever was lost, repeated, deleted, read, or overtaken by what was asked', () => {
    fc.assert(
      fc.property(...histories, (before, steps) => {
        const { log, all } = run(before, steps, true);
        for (const { entry, directory } of all) {
          expect(directory.needs('c1')).toBe(false);
          expect(entry.unreadCount).toBe(log.unread);
          expect(entry.lastMessage?.messageId).toBe(log.messages.at(-1)?.messageId);
        }
      }),
      { numRuns: 1_500 },
    );
  });

  test('are counted without a question where nothing is lost and what is deleted or read is known', () => {
    fc.assert(
      fc.property(...histories, (_before, steps) => {
        const { log, all } = run(0, steps, false);
        for (const { entry, asked } of all) expect([entry.unreadCount, asked]).toEqual([log.unread, 0]);
      }),
      { numRuns: 500 },
    );
  });

  test('hold accepted messages of others at once, and never twice', () => {
    const log = new ModelLog(500);
    const list = new ModelList(log, 0);
    const message = log.append(undefined, 'you');
    list.stream.push({ type: 'message', message }, { type: 'message', message: log.append(message.messageId) });
    list.stream.push({ type: 'message', message: log.append(undefined, 'me') });
    list.receive(9);
    expect([list.entry.unreadCount, list.entry.lastMessage?.senderId]).toEqual([1, 'me']);
    list.stream.push({ type: 'head', head: log.commit(9) as Head });
    list.receive(9);
    expect([list.entry.unreadCount, list.directory.needs('c1'), list.doubts]).toEqual([1, false, 0]);
  });

  test('are in doubt when a head tells of a message that was not seen, until the node is asked', () => {
    const log = new ModelLog(500);
    const list = new ModelList(log, 0);
    log.append(undefined, 'you');
    list.stream.push({ type: 'head', head: log.commit(1) as Head });
    list.receive(1);
    expect([list.entry.unreadCount, list.directory.needs('c1')]).toEqual([0, true]);
    list.directory.learn(log.entry());
    expect([list.entry.unreadCount, list.directory.needs('c1')]).toEqual([1, false]);
  });

  test('are asked for again where the load of a window that is too small overtook the list', () => {
    const log = new ModelLog(500);
    for (let i = 0; i < 60; i++) log.append(undefined, 'you');
    log.commit(56);
    const early = log.entry();
    log.commit(4);
    const limits = { maxWindowMessages: 10, maxPendingMessages: 100, maxParticipants: 10 };
    const state = new ConversationState('c1', limits);
    state.delta(log.delta(''), true);
    const directory = new Directory({ maxConversations: 10, userId: () => 'me', onDoubt: () => {} });
    directory.learn(early);
    directory.reconcile('c1', state);
    expect(directory.needs('c1')).toBe(true);
    directory.learn(log.entry());
    expect([directory.get('c1')?.unreadCount, directory.needs('c1')]).toEqual([60, false]);
  });

  test('keep what came after the node read the entry that was asked for', () => {
    const log = new ModelLog(500);
    const list = new ModelList(log, 0);
    const [late, next] = [log.append(undefined, 'you'), log.append(undefined, 'you')];
    list.stream.push({ type: 'message', message: next }, { type: 'head', head: log.commit(1) as Head });
    list.receive(2);
    list.ask();
    // Late, but in time: nothing is in doubt any more when the answer comes.
    list.stream.push({ type: 'message', message: late }, { type: 'head', head: log.commit(1) as Head });
    list.receive(2);
    expect([list.asked, list.entry.unreadCount, list.directory.needs('c1')]).toEqual([1, 2, false]);
    list.answer();
    list.receive(1);
    expect([list.entry.unreadCount, list.entry.conversation.head?.headRev]).toEqual([2, 2]);
  });

  test('ask again when a deletion or a receipt came after the node read the entry', () => {
    for (const act of ['remove', 'read'] as const) {
      const log = new ModelLog(500);
      const list = new ModelList(log, 0);
      const messages = [log.append(undefined, 'you'), log.append(undefined, 'you')];
      for (const message of messages) list.stream.push({ type: 'message', message });
      list.stream.push({ type: 'head', head: log.commit(2) as Head });
      log.edit(1);
      list.stream.push({ type: 'head', head: log.edit(1)?.head as Head });
      list.receive(4);
      list.ask();
      if (act === 'remove') list.directory.messageChanged(log.remove(0)?.message as Message);
      else list.directory.ownChanged(log.read(1).own);
      expect(list.entry.unreadCount).toBe(1);
      list.directory.headMoved(log.head(log.rev - 1));
      list.answer();
      list.receive(1);
      expect(list.directory.needs('c1')).toBe(true);
      list.ask();
      list.answer();
      list.receive(1);
      expect([list.entry.unreadCount, list.directory.needs('c1')]).toEqual([1, false]);
    }
  });

  test('tell the last message again when the one shown was refused after all', () => {
    const log = new ModelLog(500);
    log.append(undefined, 'you');
    log.commit(1);
    const list = new ModelList(log, 0);
    const message = log.append(undefined, 'you');
    list.stream.push({ type: 'message', message });
    list.receive(1);
    list.directory.rejected('c1', message.messageId, message.position);
    expect([list.entry.unreadCount, list.directory.needs('c1')]).toEqual([1, true]);
    list.directory.learn(log.entry());
    expect([list.entry.lastMessage?.seq, list.directory.needs('c1')]).toEqual([1, false]);
  });
});
