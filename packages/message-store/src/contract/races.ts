/** Writers that do not know of each other. Order and time of their calls are the engine's. */
import { expect, test } from '@jest/globals';
import type { MessageStore } from '../index.ts';
import { aRoom } from './builders.ts';

const rounds = 10;

export const racesContract = (store: () => MessageStore): void => {
  test('of two writers of the same documents the later epoch’s are left, whoever came first', async () => {
    for (let round = 0; round < rounds; round += 1) {
      const { key, message, participant } = aRoom();
      const messages = Array.from({ length: 20 }, (_, i) => message({ seq: i + 1, rev: i + 1 }));
      const people = Array.from({ length: 5 }, (_, i) => participant(`user-${i}`));
      const write = (epoch: number, rev: number) => [
        // A later epoch finds messages that were touched since, an earlier one believes them new.
        store().messages.write(
          messages.map((d) => ({ ...d, epoch, rev: d.rev + rev, pinnedAtMs: epoch === 2 ? 9 : 0 })),
        ),
        store().participants.write(people.map((d) => ({ ...d, epoch, rev, readSeq: epoch === 2 ? 1 : 0 }))),
      ];
      const late = [...write(1, 100), ...write(2, 200)];
      await Promise.all(round % 2 === 0 ? late : late.reverse());
      const stored = [...(await store().messages.getMany(messages)), ...(await store().participants.getMany(people))];
      expect(stored.map((d) => d?.epoch)).toEqual(stored.map(() => 2));
      expect((await store().messages.pinned(key, 99, { limit: 99 })).documents).toHaveLength(20);
    }
  });

  test('between a fence and a commit that saw the same head one takes place, and no commit after the fence', async () => {
    for (let round = 0; round < rounds; round += 1) {
      const { key, head } = aRoom();
      await store().conversations.commit([{ expectedHeadRev: 0, document: head(1, 1) }]);
      const commit = store().conversations.commit([{ expectedHeadRev: 1, document: head(2, 1, { lastSeq: 1 }) }]);
      const fence = store().conversations.commit([{ expectedHeadRev: 1, document: head(1, 2) }]);
      const [[committed], [fenced]] = await Promise.all([commit, fence]);
      const [stored] = await store().conversations.getMany([key]);
      // Both when the fence came second would mean that it saw a head that was not there.
      expect([committed, fenced].filter((outcome) => outcome === 'committed')).toHaveLength(1);
      expect(stored).toEqual(committed === 'committed' ? head(2, 1, { lastSeq: 1 }) : head(1, 2));
      if (fenced !== 'committed') continue;
      const later = await store().conversations.commit([{ expectedHeadRev: 1, document: head(3, 1) }]);
      expect(later).toEqual(['stale']);
    }
  });

  test('a conversation that two create at the same time has one head, and a call tells which of many took place', async () => {
    const rooms = Array.from({ length: 20 }, aRoom);
    const create = (title: string) =>
      store().conversations.commit(rooms.map(({ head }) => ({ expectedHeadRev: 0, document: head(1, 1, { title }) })));
    const [a, b] = (await Promise.all([create('a'), create('b')])) as ['committed' | 'stale', ...string[]][];
    const stored = await store().conversations.getMany(rooms.map(({ key }) => key));
    expect(stored.map((d) => d?.title)).toEqual(a?.map((outcome) => (outcome === 'committed' ? 'a' : 'b')));
    expect(b).toEqual(a?.map((outcome) => (outcome === 'committed' ? 'stale' : 'committed')));
    // Every second head has moved on.
    const moved = rooms.filter((_, i) => i % 2 === 0).map(({ head }) => ({ expectedHeadRev: 1, document: head(2, 1) }));
    await store().conversations.commit(moved);
    const late = rooms.map(({ head }) => ({ expectedHeadRev: 1, document: head(3, 1) }));
    const expected = rooms.map((_, i) => (i % 2 === 0 ? 'stale' : 'committed'));
    expect(await store().conversations.commit(late)).toEqual(expected);
  });

  test('commits of one conversation in one call take place in their order', async () => {
    const [one, two] = [aRoom(), aRoom()];
    const commit = (expectedHeadRev: number, document: ReturnType<typeof one.head>) => ({ expectedHeadRev, document });
    const outcomes = await store().conversations.commit([
      commit(0, one.head(1, 1)),
      commit(1, two.head(9, 1)),
      commit(1, one.head(2, 1)),
      commit(1, one.head(8, 1)),
      commit(0, two.head(1, 1)),
      commit(2, one.head(3, 1)),
    ]);
    expect(outcomes).toEqual(['committed', 'stale', 'committed', 'stale', 'committed', 'committed']);
    expect(await store().conversations.getMany([one.key, two.key])).toEqual([one.head(3, 1), two.head(1, 1)]);
  });

  test('claims at the same time give each an epoch of its own', async () => {
    const claims = await Promise.all(Array.from({ length: 20 }, (_, i) => store().conversations.claimShard(i % 3)));
    expect(new Set(claims).size).toBe(20);
  });

  test('hiding at the same time keeps one entry under the greatest rev', async () => {
    const user = { ...aRoom().key, userId: 'ann' };
    const hide = (rev: number) => store().messages.hide([{ ...user, messageId: 'm', seq: 1, rev }]);
    await Promise.all([3, 1, 9, 2, 8].map(hide));
    expect(await store().messages.hiddenSince(user, 0, 9)).toEqual([{ ...user, messageId: 'm', seq: 1, rev: 9 }]);
  });
};
