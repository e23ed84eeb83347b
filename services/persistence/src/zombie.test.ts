import type { LogRecord, NewRecord } from '@caas/event-log';
import { partitionOf } from '@caas/event-log';
import { type Clock, systemClock } from '@caas/kit';
import type { HeadCommit, MessageStore } from '@caas/message-store';
import type { ConversationDocument, MessageDocument, ParticipantDocument } from '@caas/proto/caas/events/v1/documents';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { ConversationEvent } from './apply/model.ts';
import { DeadLetters } from './dead-letters.ts';
import { NoticeQueue } from './notice-queue.ts';
import { ShardWorker } from './shard-worker.ts';
import { aConversation, toRecord } from './testing/builders.ts';
import { Bench, hooked, silent } from './testing/harness.ts';

const open: Bench[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((bench) => bench.close()));
});

const key = { tenantId: 't1', conversationId: 'c' };
const shard = partitionOf('conversation.updated', 'c') % 3;

/** A worker whose batches the test hands out itself, as a log would that lost sight of it. */
const aWorker = (bench: Bench, store: MessageStore, clock: Clock = systemClock): ShardWorker => {
  const counters = { applied: 0, rejected: 0, deadLettered: 0, lastBatchMs: 0, lastBatchRecords: 0 };
  const notices = new NoticeQueue(
    async () => undefined,
    () => undefined,
  );
  const { log } = bench;
  const limits = { maxCachedHeads: 100, maxDocumentsPerStep: 100 };
  return new ShardWorker({
    log,
    store,
    clock,
    counters,
    notices,
    deadLetters: new DeadLetters(log),
    logger: silent,
    ...limits,
  });
};

/** Gives the events of a conversation their places in the log. */
const places = () => {
  const offsets = new Map<string, number>();
  return (...events: ConversationEvent[]): LogRecord[] =>
    events
      .map((event): NewRecord => toRecord(event, key))
      .map((record) => {
        const offset = offsets.get(record.topic) ?? 0;
        offsets.set(record.topic, offset + 1);
        return { ...record, partition: partitionOf(record.topic, 'c'), offset, appendedAtMs: 0 };
      });
};

const state = async (bench: Bench) => {
  const [head] = await bench.store.conversations.getMany([key]);
  const messages = await bench.store.messages.page(key, { fromSeq: 1, toSeq: 1_000, limit: 1_000, from: 'oldest' });
  const participants = await bench.store.participants.ofConversation(key, {
    afterUserId: '',
    limit: 100,
    activeOnly: false,
  });
  return { head, messages, participants };
};

/** What readers see: without who wrote it and when. */
const seen = ({ head, messages, participants }: Awaited<ReturnType<typeof state>>) => {
  const { epoch, headRev, committedAtMs, metaRev, membersRev, lastMessage, ...rest } = head as ConversationDocument;
  return {
    ...rest,
    messages: messages
      .filter((m) => m.seq <= rest.lastSeq)
      .map(({ rev, epoch: _, traceId, ...m }: MessageDocument) => m),
    participants: participants.map(
      ({ rev, epoch: _, wasActive, wasRole, wasJoinedAtMs, ...p }: ParticipantDocument) => p,
    ),
  };
};

/** A store whose next call of `point`, once armed, waits until it is let go. */
const stalling = (bench: Bench, point: string, when: 'before' | 'after') => {
  let reached = (): void => undefined;
  let release = (): void => undefined;
  const stalled = new Promise<void>((resolve) => {
    reached = resolve;
  });
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  let armed = false;
  const store = hooked(bench.store, {
    [when]: async (name: string) => {
      if (!armed || name !== point) return;
      armed = false;
      reached();
      await released;
    },
  });
  const arm = (): void => {
    armed = true;
  };
  return { store, stalled, release, arm };
};

const points = [
  ['conversations.getMany', 'after'],
  ['conversations.commit', 'before'],
  ['messages.getMany', 'after'],
  ['participants.getMany', 'after'],
  ['messages.write', 'before'],
  ['messages.write', 'after'],
  ['participants.write', 'before'],
  ['participants.write', 'after'],
] as const;

const never = new AbortController().signal;

/** What happens in every takeover, the same each time. */
const aStory = () => {
  const c = aConversation('c');
  const place = places();
  const first = place(c.created(['ann', 'bob', 'cyd']), c.sent('a'), c.sent('b'), c.reacted('ann', 'a', '+'));
  const sends = place(c.sent('c'), c.sent('d'), c.sent('b', 'other'));
  const changes = place(
    ...[c.edited('a', 'edited'), c.removed(['bob']), c.reacted('bob', 'a', '-')],
    ...[c.received('cyd', 2, 2), c.muted('ann', 7)],
  );
  const rest = place(c.deleted('b'), c.added(['bob', 'dan']), c.edited('a', 'again'), c.sent('e'));
  return { first, sends, changes, rest };
};

/** The story told to one worker that nobody disturbs. */
let undisturbedOnce: Promise<ReturnType<typeof seen>> | undefined;
const undisturbed = () => {
  undisturbedOnce ??= tellUndisturbed();
  return undisturbedOnce;
};
const tellUndisturbed = async () => {
  const bench = await Bench.open();
  const { first, sends, changes, rest } = aStory();
  const worker = aWorker(bench, bench.store);
  await worker.assigned(shard, [], never);
  for (const batch of [first, sends, [...changes, ...rest]]) await worker.batch(shard, batch, never);
  const ended = seen(await state(bench));
  await bench.close();
  return ended;
};

/**
 * A worker stalls in a call, another one takes its shard over, and then the first goes on, not knowing. The one that takes
 * over gets the same records in other batches: fewer of one topic, more of another.
 */
const takeover = async (
  [point, when]: (typeof points)[number],
  wakes: 'in between' | 'at the end',
  wrap: (store: MessageStore) => MessageStore = (store) => store,
) => {
  const bench = await Bench.open();
  open.push(bench);
  const { first, sends, changes, rest } = aStory();
  const { store, stalled, release, arm } = stalling(bench, point, when);
  const zombie = aWorker(bench, wrap(store));
  await zombie.assigned(shard, [], never);
  await zombie.batch(shard, first, never);
  // Its head is not in memory, as after a restart, so that it passes through every call.
  await zombie.assigned(shard, [], never);
  arm();
  const late = zombie.batch(shard, [...sends, ...changes], never).catch(() => undefined);
  await Promise.race([stalled, late]);

  const owner = aWorker(bench, bench.store);
  await owner.assigned(shard, [], never);
  await owner.batch(shard, sends, never);
  if (wakes === 'in between') {
    release();
    await late;
  }
  await owner.batch(shard, [...sends, ...changes, ...rest], never);
  release();
  await late;
  const raw = await state(bench);
  return { bench, after: seen(raw), raw };
};

describe('a worker that lost its shard and does not know it', () => {
  const unharmed = async (point: (typeof points)[number], wakes: 'in between' | 'at the end'): Promise<void> => {
    const { bench, after, raw } = await takeover(point, wakes);
    expect(after).toEqual(await undisturbed());
    expect(await bench.checked('c')).toHaveLength(5);
    // Every change has a revision readers have not passed: none past the head is left, none is twice.
    const revs = [...raw.messages, ...raw.participants].map((document) => document.rev);
    expect(Math.max(...revs)).toBeLessThanOrEqual(raw.head?.headRev ?? 0);
    expect(new Set(revs).size).toBe(revs.length);
  };

  test.each(points)('changes nothing that counts when it was stalled in %s (%s)', async (...point) => {
    for (const wakes of ['in between', 'at the end'] as const) await unharmed(point, wakes);
  });

  test('can’t commit over the documents of the worker that came after it', async () => {
    const bench = await Bench.open();
    open.push(bench);
    const c = aConversation('c');
    const place = places();
    const late = stalling(bench, 'messages.write', 'before');
    const zombie = aWorker(bench, late.store);
    await zombie.assigned(shard, [], never);
    await zombie.batch(shard, place(c.created(['ann', 'bob']), c.sent('a')), never);
    // One has the edit, the other the reaction: of one message, on two topics.
    const [edit, reaction] = [place(c.edited('a', 'edited')), place(c.reacted('bob', 'a', '+'))];
    late.arm();
    const zombieEnds = zombie.batch(shard, edit, never).catch(() => undefined);
    await late.stalled;
    const early = stalling(bench, 'messages.write', 'after');
    const owner = aWorker(bench, early.store);
    await owner.assigned(shard, [], never);
    early.arm();
    const ownerEnds = owner.batch(shard, reaction, never).catch(() => undefined);
    await Promise.race([early.stalled, ownerEnds]);
    late.release();
    await zombieEnds;
    early.release();
    await ownerEnds;
    await owner.batch(shard, [...edit, ...reaction], never);
    const { messages } = await state(bench);
    expect(messages).toMatchObject([{ editCount: 1, reactions: [{ kind: '+', userIds: ['bob'] }] }]);
  });

  test('would do harm if its epoch were not looked at', async () => {
    // The guard broken on purpose: in the store, what the zombie writes passes for the owner's.
    const claims = { zombie: 2, owner: 3 };
    const forged = <D extends { epoch: number }>(d: D): D =>
      d.epoch === claims.zombie ? { ...d, epoch: claims.owner } : d;
    const unguarded = ({ messages, participants, conversations, close }: MessageStore): MessageStore => ({
      messages: Object.create(messages, { write: { value: (d: MessageDocument[]) => messages.write(d.map(forged)) } }),
      participants: Object.create(participants, {
        write: { value: (d: ParticipantDocument[]) => participants.write(d.map(forged)) },
      }),
      conversations: Object.create(conversations, {
        commit: {
          value: (commits: HeadCommit[]) =>
            conversations.commit(commits.map((commit) => ({ ...commit, document: forged(commit.document) }))),
        },
      }),
      close,
    });
    const expected = JSON.stringify(await undisturbed());
    const harmless: boolean[] = [];
    for (const point of points)
      harmless.push(
        await takeover(point, 'at the end', unguarded).then(
          ({ after }) => JSON.stringify(after) === expected,
          () => false,
        ),
      );
    expect(harmless).toContain(false);
  }, 60_000);
});
