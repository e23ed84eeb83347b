import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type EventLog, partitionName, partitionOf, shardCount, Topic } from '@caas/event-log';
import { type MessageStore, openSqliteMessageStore } from '@caas/message-store';
import { Role } from '@caas/proto/caas/events/v1/content';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { ConversationEvent } from './apply/model.ts';
import { findMissed } from './missed-records.ts';
import { aConversation, toRecord } from './testing/builders.ts';
import { Bench, hooked, unavailable, until } from './testing/harness.ts';

const benches: Bench[] = [];
const stores: MessageStore[] = [];
const aBench = async (): Promise<Bench> => {
  const bench = await Bench.open();
  benches.push(bench);
  return bench;
};
const openStore = async (file: string): Promise<MessageStore> => {
  const store = await openSqliteMessageStore({ file });
  stores.push(store);
  return store;
};
afterEach(async () => {
  await Promise.all(benches.splice(0).map((bench) => bench.close()));
  await Promise.all(stores.splice(0).map((store) => store.close()));
});

const key = { tenantId: 't1', conversationId: 'c' };
const c = aConversation('c');

/** Appends events one after the other, each once the one before is committed, as people do who build on what they see. */
const tell = async (bench: Bench, store: MessageStore, events: readonly ConversationEvent[]): Promise<void> => {
  for (const event of events) {
    const record = toRecord(event, key);
    const [position] = await bench.log.append([record]);
    const name = partitionName(record.topic, position?.partition as number);
    await until(async () => {
      const [head] = await store.conversations.getMany([key]);
      return (head?.offsets[name] ?? -1) >= (position?.offset as number);
    });
  }
};

/** What readers see, without revisions: a store that was rebuilt counts its own. */
const seen = async (store: MessageStore) => {
  const [head] = await store.conversations.getMany([key]);
  const messages = await store.messages.page(key, { fromSeq: 1, toSeq: 1_000, limit: 1_000, from: 'oldest' });
  const page = { afterUserId: '', limit: 1_000, activeOnly: false };
  return {
    head: head && {
      ...head,
      headRev: 0,
      metaRev: 0,
      membersRev: 0,
      epoch: 0,
      committedAtMs: 0,
      lastMessage: undefined,
    },
    messages: messages.map(({ rev, epoch, ...message }) => message),
    participants: (await store.participants.ofConversation(key, page)).map(
      ({ rev, epoch, wasActive, wasRole, wasJoinedAtMs, ...participant }) => participant,
    ),
  };
};

const beginning = [
  ...[c.created(['ann', 'bob'], false), c.sent('a'), c.added(['cyd']), c.sent('b'), c.edited('a', 'edited')],
  ...[c.received('bob', 2, 1), c.reacted('bob', 'b', '+'), c.promoted('bob', Role.ROLE_OWNER)],
];
const end = [
  ...[c.sent('d'), c.deleted('b'), c.removed(['cyd']), c.sent('e'), c.added(['cyd', 'dan']), c.sent('f')],
  ...[c.edited('d', 'edited'), c.pinned('ann', 'f'), c.received('dan', 5, 5), c.removed(['ann'], 'ann')],
];

describe('a store', () => {
  test('that is lost comes back from the log as it was', async () => {
    const bench = await aBench();
    const worker = bench.start();
    await tell(bench, bench.store, [...beginning, ...end]);
    await until(async () => (await worker.stats()).lag === 0);
    await worker.stop();
    const before = await seen(bench.store);
    expect(before.head).toMatchObject({ lastSeq: 5, memberCount: 3, ownerCount: 1 });

    const empty = await openStore(join(bench.folder, 'empty.db'));
    bench.start({ store: empty });
    await until(async () => (await seen(empty)).head?.lastSeq === 5);
    await until(async () => JSON.stringify(await seen(empty)) === JSON.stringify(before)).catch(() => undefined);
    expect(await seen(empty)).toEqual(before);
  });

  test('from an older backup gets what was applied since, and gives no seq twice', async () => {
    const bench = await aBench();
    const backup = join(bench.folder, 'backup.db');
    const first = await openStore(join(bench.folder, 'first.db'));
    const worker = bench.start({ store: first });
    await tell(bench, first, beginning);
    await worker.stop();
    await first.close();
    await copyFile(join(bench.folder, 'first.db'), backup);

    const second = await openStore(join(bench.folder, 'first.db'));
    const later = bench.start({ store: second });
    await tell(bench, second, end);
    await until(async () => (await later.stats()).lag === 0);
    await later.stop();
    const before = await seen(second);
    const [headBefore] = await second.conversations.getMany([key]);

    const restored = await openStore(backup);
    expect((await seen(restored)).head?.lastSeq).toBe(2);
    bench.start({ store: restored });
    await tell(bench, restored, [c.sent('g')]);
    // Whoever comes with a cursor of the store that is gone is told of all that was changed since.
    const revBefore = headBefore?.headRev as number;
    const changed = await restored.messages.changedSince(key, revBefore, 9, { limit: 9 });
    expect(changed.documents.map((m) => m.seq).sort()).toEqual([2, 3, 4, 5, 6]);
    const members = await restored.participants.changedSince(key, revBefore, 9);
    expect(members.map((p) => p.userId).sort()).toEqual(['ann', 'cyd', 'dan']);
    const { messages } = await seen(restored);
    expect(messages.slice(0, -1)).toEqual(before.messages);
    expect(messages.at(-1)).toMatchObject({ messageId: c.messageId('g'), seq: 6 });
  });

  test('that has had more than the log has gets nothing from it: no new record is taken for an old one', async () => {
    const bench = await aBench();
    const worker = bench.start();
    await tell(bench, bench.store, beginning);
    await worker.stop();
    const before = await seen(bench.store);
    const other = await aBench();
    await other.log.append([toRecord(c.sent('new'), key)]);
    let asked = 0;
    const counted = hooked(bench.store, {
      before: (call) => {
        if (call === 'conversations.shardPosition') asked++;
      },
    });
    const refused = other.start({ store: counted });
    await until(() => asked > 4); // each of three shards, and some again
    expect(await seen(bench.store)).toEqual(before);
    expect(await refused.stats()).toMatchObject({ applied: 0, lag: 1 });
  });

  test('that is where its group stands is told nothing again when its worker starts', async () => {
    const bench = await aBench();
    const first = bench.start();
    await tell(bench, bench.store, beginning);
    await until(async () => (await first.stats()).lag === 0);
    await first.stop();
    const told = (await bench.read(Topic.messageDelivered)).length;
    const second = bench.start();
    await tell(bench, bench.store, [c.titled('after')]);
    expect(await second.stats()).toMatchObject({ applied: 1 });
    expect(await bench.read(Topic.messageDelivered)).toHaveLength(told);
  });

  test('is told its position by the owner of a shard also after one that had lost it claimed it once more', async () => {
    const bench = await aBench();
    bench.start();
    await tell(bench, bench.store, [c.created(['ann', 'bob']), c.sent('m0', 'ann')]);
    const partition = partitionOf(Topic.messageSent, 'c');
    const shard = partition % shardCount;
    const kept = async () =>
      (await bench.store.conversations.shardPosition(shard))[partitionName(Topic.messageSent, partition)];
    await until(async () => (await kept()) === 1);
    // The other one finds its batch superseded, tries again, finds all of it applied, and is told that it is out.
    await bench.store.conversations.claimShard(shard);
    await tell(bench, bench.store, [c.sent('m1', 'ann')]);
    await until(async () => {
      await tell(bench, bench.store, [c.titled('goes on')]);
      return (await kept()) === 2;
    });
  });

  test('never says it holds more of the log than is committed in it', async () => {
    const bench = await aBench();
    const name = partitionName(Topic.messageSent, partitionOf(Topic.messageSent, 'c'));
    const kept: number[] = [];
    const committed: number[] = [];
    let calls = 0;
    const store = hooked(bench.store, {
      before: async (call, args) => {
        if (call === 'conversations.keepShardPosition') {
          const [head] = await bench.store.conversations.getMany([key]);
          committed.push((head?.offsets[name] ?? -1) + 1);
          kept.push((args[2] as Record<string, number>)[name] ?? 0);
        }
        calls += 1;
        if (call === 'conversations.commit' && calls % 3 === 0) throw unavailable();
      },
    });
    const worker = bench.start({ store, config: { maxBatchRecords: 2 } });
    await tell(bench, bench.store, [c.created(['ann'])]);
    await bench.log.append(Array.from({ length: 20 }, (_, i) => toRecord(c.sent(`m${i}`), key)));
    await until(async () => (await seen(bench.store)).head?.lastSeq === 20);
    await worker.stop();
    expect(kept.at(-1)).toBe(20);
    for (const [i, position] of kept.entries()) expect(position).toBeLessThanOrEqual(committed[i] as number);
  });
});

test('a position is not kept of records that a store has refused', async () => {
  const bench = await aBench();
  const name = partitionName(Topic.messageSent, partitionOf(Topic.messageSent, 'c'));
  const shard = partitionOf(Topic.messageSent, 'c') % shardCount;
  let refused = 0;
  const store = hooked(bench.store, {
    before: (call) => {
      if (call !== 'conversations.commit') return;
      refused += 1;
      throw unavailable();
    },
  });
  const worker = bench.start({ store });
  await bench.log.append([toRecord(c.created(['ann']), key), toRecord(c.sent('m'), key)]);
  await until(() => refused > 1);
  await worker.stop();
  expect(await bench.store.conversations.shardPosition(shard)).not.toHaveProperty([name]);
});

describe('what a store has missed', () => {
  const offset = (next: number) => [{ topic: 't', partition: 0, next }];
  const logOf = (first: number, next: number): EventLog =>
    ({ bounds: async () => ({ first, next }) }) as unknown as EventLog;
  const stretch = (from: number, to: number) => ({ topic: 't', partition: 0, from, to });
  const none = { there: [], gone: [], unknown: [] };

  test.each([
    ['nothing where it stands with its group', 5, 5, [0, 9], none],
    ['nothing where it is ahead of the group', 7, 5, [0, 9], none],
    ['what the group had since', 3, 5, [0, 9], { ...none, there: [stretch(3, 5)] }],
    ['everything where it is empty', 0, 5, [0, 9], { ...none, there: [stretch(0, 5)] }],
    ['in part for good', 1, 5, [3, 9], { ...none, gone: [stretch(1, 3)], there: [stretch(3, 5)] }],
    ['all of it for good', 1, 5, [8, 9], { ...none, gone: [stretch(1, 5)] }],
    ['and what the log has lost itself', 9, 5, [0, 6], { ...none, unknown: [stretch(6, 9)] }],
  ] as const)('is %s', async (_, position, next, [first, end], missed) => {
    expect(await findMissed(logOf(first, end), { 't-0': position }, offset(next))).toEqual(missed);
  });
});
