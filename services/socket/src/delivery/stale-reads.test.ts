import { CaasError } from '@caas/kit';
import type { MessageStore } from '@caas/message-store';
import { Claims } from '@caas/proto/caas/common/v1/claims';
import { ConversationKind, ParticipantState, Role } from '@caas/proto/caas/events/v1/content';
import { ConversationDocument, ParticipantDocument } from '@caas/proto/caas/events/v1/documents';
import { type DocumentChange, HeadNotice } from '@caas/proto/caas/events/v1/node_envelope';
import { describe, expect, test } from '@jest/globals';
import type { Connection } from '../edge/connection.ts';
import { defaultBounds, defaultLimits } from '../limits.ts';
import { CommitWatch } from './commit-watch.ts';
import { Contents } from './contents.ts';
import { Heads } from './heads.ts';
import { LocalDirectory } from './local-directory.ts';
import { Turn } from './turn.ts';

/** Nothing is sealed here, so no key is asked for. */
const inTheClear = new Contents({} as never, false);

const { ROLE_MEMBER: member, ROLE_ADMIN: admin } = Role;
const { PARTICIPANT_STATE_ACTIVE: active, PARTICIPANT_STATE_REMOVED: removed } = ParticipantState;

const aConversation = (headRev: number, more: Partial<ConversationDocument> = {}): ConversationDocument =>
  ConversationDocument.fromPartial({
    tenantId: 't',
    conversationId: 'c',
    kind: ConversationKind.CONVERSATION_KIND_GROUP,
    headRev,
    metaRev: 1,
    membersRev: headRev,
    ...more,
  });
const aParticipant = (rev: number, state: ParticipantState = active, role: Role = member): ParticipantDocument =>
  ParticipantDocument.fromPartial({ tenantId: 't', conversationId: 'c', userId: 'u', rev, state, role });
const changeOf = (value: ParticipantDocument): DocumentChange => ({ document: { $case: 'participant', value } });

/** A store of one conversation and one participation, whose answers can be held back after they were read. */
class HeldStore {
  conversation = aConversation(5);
  participant: ParticipantDocument | undefined = aParticipant(5);
  /** Reads that fail, by name. */
  readonly failing = new Set<string>();
  #held: { name: string; until: Promise<void>; reached: () => void } | undefined;

  /** Holds the next answer of a read; resolves when it was read, with what lets it go. */
  hold(name: string): Promise<() => void> {
    return new Promise((resolve) => {
      let letGo = (): void => undefined;
      const until = new Promise<void>((done) => {
        letGo = done;
      });
      this.#held = { name, until, reached: () => resolve(letGo) };
    });
  }

  /** Reads asked for, by name. */
  readonly asked: string[] = [];

  async #answer<T>(name: string, value: T): Promise<T> {
    this.asked.push(name);
    if (this.failing.has(name)) throw new CaasError('UNAVAILABLE', 'no');
    const held = this.#held?.name === name ? this.#held : undefined;
    if (held) {
      this.#held = undefined;
      held.reached();
      await held.until;
    }
    return value;
  }

  readonly conversations = { getMany: () => this.#answer('conversation', [this.conversation]) };
  readonly participants = {
    getMany: () => this.#answer('participant', [this.participant]),
    ofUser: () => this.#answer('ofUser', this.participant?.state === active ? [this.participant] : []),
    changedSince: (_: object, rev: number) =>
      this.#answer('changedSince', this.participant && this.participant.rev > rev ? [this.participant] : []),
  };
}

const quiet = { debug: () => undefined, warn: () => undefined, info: () => undefined, error: () => undefined } as never;
const clock = { now: () => Date.now() };

const setUp = async (store = new HeldStore()) => {
  const turn = new Turn();
  const directory = new LocalDirectory(store as unknown as MessageStore, turn, clock, quiet);
  const commits = new CommitWatch(store as unknown as MessageStore, clock, quiet);
  const bounds = { ...defaultBounds, headCheckMs: 5 };
  const heads = new Heads(store as unknown as MessageStore, directory, turn, commits, inTheClear, bounds, clock, quiet);
  const told: string[] = [];
  const connection = {
    claims: Claims.fromPartial({ tenantId: 't', userId: 'u' }),
    limits: defaultLimits,
    subprotocol: 'caas.v1.json',
    event: ({ event }: { event: { $case: string } }) => told.push(event.$case),
    enqueueEvents: (frames: Buffer) => told.push(frames.includes('typing') ? 'typing' : 'frames'),
    flush: () => undefined,
  } as unknown as Connection;
  await directory.connect(connection);
  const conversation = () => directory.conversation('t', 'c');
  return { store, turn, directory, heads, connection, conversation, told, me: () => conversation()?.members.get('u') };
};

const notice = (prevHeadRev: number, headRev: number, more: Partial<HeadNotice> = {}): HeadNotice => ({
  ...HeadNotice.fromPartial({ tenantId: 't', conversationId: 'c' }),
  prevHeadRev,
  headRev,
  ...more,
});

const until = async (holds: () => boolean): Promise<void> => {
  const deadline = Date.now() + 2_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error('never came about');
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
};

describe('what was read before it changed', () => {
  test('does not bring a removed member back, nor an old role', async () => {
    const { directory, me } = await setUp();
    directory.applyParticipant(aParticipant(8, active, admin), 8);
    directory.applyParticipant(aParticipant(7, active, member), 8);
    expect(me()?.role).toBe(admin);
    directory.applyParticipant(aParticipant(9, removed), 9);
    directory.applyParticipant(aParticipant(8, active, admin), 9);
    expect(me()).toBeUndefined();
    directory.applyParticipant(aParticipant(10), 10);
    expect(me()?.role).toBe(member);
  });

  test('does not count as newer than what is committed, when it was read ahead of its commit', async () => {
    const { directory, me } = await setUp();
    directory.applyParticipant(aParticipant(12, active, admin), 6);
    directory.applyParticipant(aParticipant(7, removed), 7);
    expect(me()).toBeUndefined();
  });

  test('does not let a command act for a member who is removed while the store answers', async () => {
    const store = new HeldStore();
    store.participant = undefined;
    const { directory, connection, me } = await setUp(store);
    store.participant = aParticipant(6);
    store.conversation = aConversation(6);
    const held = store.hold('participant');
    const acting = directory.member(connection, 'c').catch((error: CaasError) => error.reason);
    const letGo = await held;
    directory.applyParticipant(aParticipant(7, removed), 7);
    letGo();
    expect(await acting).toBe('CONVERSATION_NOT_FOUND');
    expect(me()).toBeUndefined();
  });

  test('does not attach a membership that ended while the user’s were loaded', async () => {
    const store = new HeldStore();
    const held = store.hold('ofUser');
    const ready = setUp(store);
    const letGo = await held;
    letGo();
    const { directory, connection, me } = await ready;
    directory.disconnect(connection);
    const again = store.hold('ofUser');
    const connected = directory.connect(connection);
    const go = await again;
    directory.applyParticipant(aParticipant(6, removed), 6);
    go();
    await connected;
    expect(me()).toBeUndefined();
  });

  test('does not archive or unarchive a conversation', async () => {
    const { directory, conversation } = await setUp();
    directory.applyConversation(aConversation(8, { metaRev: 8, archivedAtMs: 1 }));
    directory.applyConversation(aConversation(7, { metaRev: 7 }));
    expect(conversation()?.rules?.archived).toBe(true);
    directory.applyConversation(aConversation(9, { metaRev: 9 }));
    expect(conversation()?.rules?.archived).toBe(false);
  });

  test('a placeholder of a conversation that is not created is none', async () => {
    const store = new HeldStore();
    store.conversation = aConversation(0, { membersRev: 0 });
    store.participant = undefined;
    const { directory, connection, conversation } = await setUp(store);
    store.participant = aParticipant(1);
    await expect(directory.member(connection, 'c')).rejects.toMatchObject({ reason: 'CONVERSATION_NOT_FOUND' });
    expect(conversation()).toBeUndefined();
  });
});

describe('members after a lost notice', () => {
  test('are read anew even where the next notice comes while that is under way', async () => {
    const { store, heads, me } = await setUp();
    store.conversation = aConversation(7);
    store.participant = aParticipant(6, removed);
    const held = store.hold('conversation');
    heads.noticed(notice(6, 7));
    heads.noticed(notice(7, 8));
    (await held)();
    await until(() => me() === undefined);
  });

  test('are read anew by the next check where the store did not answer', async () => {
    const { store, heads, me, conversation } = await setUp();
    store.conversation = aConversation(8);
    store.participant = aParticipant(6, removed);
    store.failing.add('conversation');
    const stopping = new AbortController();
    const running = heads.run(stopping.signal);
    try {
      heads.noticed(notice(5, 7, { changesOmitted: true }));
      heads.noticed(notice(7, 8));
      await until(() => !heads.storeAnswers);
      expect(conversation()?.membersStale).toBeGreaterThan(0);
      expect(me()).toBeDefined();
      store.failing.clear();
      await until(() => me() === undefined && heads.storeAnswers);
    } finally {
      stopping.abort();
      await running;
    }
  });

  test('a repair that a notice overtakes does not take the head back', async () => {
    const { store, heads, conversation } = await setUp();
    store.conversation = aConversation(7);
    store.participant = aParticipant(7, active, admin);
    heads.suspectAll();
    const held = store.hold('changedSince');
    const stopping = new AbortController();
    const running = heads.run(stopping.signal);
    try {
      const letGo = await held;
      heads.noticed(notice(5, 9, { changes: [changeOf(aParticipant(9, active, member))] }));
      expect(conversation()?.headRev).toBe(9);
      letGo();
      await until(() => heads.repairs === 1);
      await until(() => conversation()?.membersStale === 0);
      expect(conversation()?.headRev).toBe(9);
      expect(conversation()?.members.get('u')?.role).toBe(member);
    } finally {
      stopping.abort();
      await running;
    }
  });

  test('what a commit decided without moving the head is found by the next check where its notice was lost', async () => {
    const { store, heads, conversation } = await setUp();
    store.conversation = aConversation(5, { lastPosition: 1, offsets: { 'message.sent-3': 7 } });
    heads.suspectAll();
    const stopping = new AbortController();
    const running = heads.run(stopping.signal);
    try {
      await until(() => conversation()?.decidedPosition === 8);
      expect(conversation()?.headRev).toBe(5);
    } finally {
      stopping.abort();
      await running;
    }
  });

  test('what is suspected during a check of all is checked by the next', async () => {
    const { store, heads } = await setUp();
    heads.suspectAll();
    const held = store.hold('conversation');
    const stopping = new AbortController();
    const running = heads.run(stopping.signal);
    try {
      const letGo = await held;
      heads.suspectAll();
      const again = store.hold('conversation');
      letGo();
      (await again)();
    } finally {
      stopping.abort();
      await running;
    }
  });
});

test('a user is told to be online by the connection that gets in, though it was not the first', async () => {
  const store = new HeldStore();
  const { directory, connection } = await setUp(store);
  expect(directory.becamePresent(connection)).toBe(true);
  expect(directory.becamePresent(connection)).toBe(false);
  directory.disconnect(connection);
  const held = store.hold('ofUser');
  const first = { ...connection } as Connection;
  const second = { ...connection, shareRates: () => undefined } as unknown as Connection;
  const both = [directory.connect(first), directory.connect(second)];
  (await held)();
  await Promise.all(both);
  directory.disconnect(first);
  expect(directory.becamePresent(second)).toBe(true);
});

test('a user who comes back at once goes on with the rates they left with', async () => {
  const { directory, connection } = await setUp();
  directory.disconnect(connection);
  const rates = { sends: 1, frames: 2 };
  const leaving = { ...connection, rates, shareRates: () => undefined } as unknown as Connection;
  await directory.connect(leaving);
  directory.disconnect(leaving);
  const shared: unknown[] = [];
  const shareRates = (given: unknown): unknown => shared.push(given);
  await directory.connect({ ...connection, shareRates } as unknown as Connection);
  expect(shared).toEqual([rates]);
});

test('who is removed is told so after what was said before, and nothing after that', async () => {
  const { turn, directory, conversation, told } = await setUp();
  const room = conversation() as NonNullable<ReturnType<typeof conversation>>;
  const typing = { conversationId: 'c', userId: 'v', typing: true };
  turn.publish(room, { event: { $case: 'typing', value: typing } });
  told.length = 0;
  directory.applyParticipant(aParticipant(6, removed), 6);
  turn.publish(room, { event: { $case: 'typing', value: typing } });
  turn.flush();
  expect(told).toEqual(['typing', 'participantChanged']);
});

test('a conversation one is no member of takes as many reads as one there is not', async () => {
  const reads = async (change: (store: HeldStore) => void): Promise<string[]> => {
    const store = new HeldStore();
    store.participant = undefined;
    change(store);
    const { directory, connection } = await setUp(store);
    store.asked.length = 0;
    await expect(directory.member(connection, 'c')).rejects.toMatchObject({ reason: 'CONVERSATION_NOT_FOUND' });
    return store.asked;
  };
  const there = await reads(() => undefined);
  const absent = await reads((store) => {
    store.conversation = undefined as never;
  });
  expect(absent).toEqual(there);
});
