/** Keys are told apart whatever their characters, and documents of any tenant and size come back as they were. */
import { expect, test } from '@jest/globals';
import { type MessageStore, maxDocumentsPerCall } from '../index.ts';
import { aRoom, fresh } from './builders.ts';

export const keysContract = (store: () => MessageStore): void => {
  test('that are the same characters cut elsewhere are different keys', async () => {
    const { key, message, participant, head } = aRoom();
    const cut = {
      tenantId: `${key.tenantId}${key.conversationId.slice(0, 3)}`,
      conversationId: key.conversationId.slice(3),
    };
    await store().messages.write([message({ seq: 1, pinnedAtMs: 5 })]);
    await store().messages.hide([{ ...key, userId: 'ann', messageId: 'm', seq: 1, rev: 1 }]);
    await store().participants.write([participant('ann')]);
    await store().conversations.commit([{ expectedHeadRev: 0, document: head(1, 1) }]);
    const user = { ...cut, userId: 'ann' };
    const none = { documents: [], more: false };
    expect(await store().messages.pinned(cut, 9, { limit: 9 })).toEqual(none);
    expect(await store().messages.changedSince(cut, 0, 9, { limit: 9 })).toEqual(none);
    expect(await store().messages.hiddenIn(user, 1, 9)).toEqual([]);
    expect(await store().messages.areHidden([{ ...user, seq: 1 }])).toEqual([false]);
    expect(await store().conversations.getMany([cut])).toEqual([undefined]);
    expect(await store().participants.getMany([user])).toEqual([undefined]);
    const page = { afterUserId: '', limit: 9, activeOnly: false };
    expect(await store().participants.ofConversation(cut, page)).toEqual([]);
    expect(await store().participants.changedSince(cut, 0, 9)).toEqual([]);
  });

  test('may be long and have any characters', async () => {
    const odd = ['a.b', '$set', '{"$gt":""}', "'; --", '::', 'é', '👋', 'ab', 'a\u0000b', 'a', 'x'.repeat(2_000)];
    const tenantId = fresh('tenant');
    const rooms = odd.map((conversationId) => ({ ...aRoom(), at: { tenantId, conversationId } }));
    const documents = rooms.map(({ message, at }, i) => message({ ...at, messageId: odd[i] as string }));
    await store().messages.write(documents);
    expect(await store().messages.getMany(documents)).toEqual(documents);
    const participants = rooms.map(({ participant, at }, i) => ({ ...participant(odd[i] as string), ...at }));
    await store().participants.write(participants);
    expect(await store().participants.getMany(participants)).toEqual(participants);
    expect(await store().participants.countActive(tenantId, odd)).toEqual(odd.map(() => 1));
    const heads = rooms.map(({ head, at }) => ({ expectedHeadRev: 0, document: { ...head(1, 1), ...at } }));
    expect(await store().conversations.commit(heads)).toEqual(odd.map(() => 'committed'));
    for (const [i, { at }] of rooms.entries()) {
      const range = { fromSeq: 1, toSeq: 9, limit: 9, from: 'oldest' as const };
      expect(await store().messages.page(at, range)).toEqual([documents[i]]);
    }
  });

  test('of another tenant count for nothing', async () => {
    const { key, message, participant } = aRoom();
    const elsewhere = { ...key, tenantId: fresh('tenant') };
    await store().messages.write([message({ seq: 1 }), message({ seq: 2, ...elsewhere })]);
    await store().participants.write([participant('ann'), { ...participant('bob'), ...elsewhere }]);
    const query = { userId: 'cyd', afterSeq: 0, lastSeq: 2 };
    expect(
      await store().messages.countUnread([
        { ...key, ...query },
        { ...elsewhere, ...query },
      ]),
    ).toEqual([1, 1]);
    const page = { afterUserId: '', limit: 9, activeOnly: true };
    expect(await store().participants.ofConversation(key, page)).toEqual([participant('ann')]);
    const changed = await store().messages.changedSince(elsewhere, 0, 9, { limit: 9 });
    expect(changed.documents.map((d) => d.seq)).toEqual([2]);
  });

  test('numbers past 32 bits are stored, compared and ordered as they are', async () => {
    const { key, message, head } = aRoom();
    const big = 2 ** 40;
    const documents = [1, 2, 3].map((n) => message({ seq: big + n, rev: 2 * big + n, epoch: big, position: 4 * big }));
    await store().messages.write(documents);
    await store().messages.write([{ ...(documents[0] as (typeof documents)[0]), epoch: big - 1, deletedBy: 'stale' }]);
    expect(await store().messages.getMany(documents)).toEqual(documents);
    const range = { fromSeq: big + 2, toSeq: big + 9, limit: 9, from: 'oldest' as const };
    expect(await store().messages.page(key, range)).toEqual(documents.slice(1));
    const { documents: changed } = await store().messages.changedSince(key, 2 * big + 2, big + 3, { limit: 9 });
    expect(changed).toEqual(documents.slice(2));
    const unread = { ...key, userId: 'bob', afterSeq: big + 1, lastSeq: big + 3 };
    expect(await store().messages.countUnread([unread])).toEqual([2]);
    await store().conversations.commit([{ expectedHeadRev: 0, document: head(big, big) }]);
    const moves = [head(big + 1, big - 1), head(big + 1, big + 1)];
    for (const [i, document] of moves.entries())
      expect(await store().conversations.commit([{ expectedHeadRev: big, document }])).toEqual([
        i === 0 ? 'stale' : 'committed',
      ]);
  });

  test('one call writes and reads as many documents as it may, and a large one', async () => {
    const { key, message } = aRoom();
    const many = Array.from({ length: maxDocumentsPerCall }, (_, i) => message({ seq: i + 1, rev: i + 1 }));
    await store().messages.write(many);
    expect((await store().messages.getMany(many)).every((d, i) => d?.seq === i + 1)).toBe(true);
    const range = { fromSeq: 1, toSeq: maxDocumentsPerCall, limit: maxDocumentsPerCall, from: 'newest' as const };
    expect((await store().messages.page(key, range)).map((d) => d.seq)).toEqual(many.map((d) => d.seq));
    const userIds = Array.from({ length: 100_000 }, (_, i) => `user-of-the-channel-${i}`);
    const loved = message({ seq: maxDocumentsPerCall + 1, reactions: [{ kind: 'love', userIds }] });
    await store().messages.write([loved]);
    expect(await store().messages.getMany([loved])).toEqual([loved]);
  });

  test('unread messages are counted exactly over any range, long ones too', async () => {
    const { key, message } = aRoom();
    const senders = ['ann', 'bob', 'cyd', 'ann'];
    const many = Array.from({ length: 1_400 }, (_, i) =>
      message({ seq: i + 1, senderId: senders[i % 4] as string, deletedAtMs: i % 10 === 0 ? 1 : 0 }),
    );
    for (const half of [many.slice(0, 700), many.slice(700)]) await store().messages.write(half);
    const users = ['ann', 'bob', 'nobody'];
    const ranges: [number, number][] = [
      [0, 600],
      [10, 500],
      [399, 600],
      [100, 201],
      [599, 600],
      [0, 1_400],
      [0, 1_401],
      [950, 1_500],
    ];
    const queries = users.flatMap((userId) =>
      ranges.map(([afterSeq, lastSeq]) => ({ ...key, userId, afterSeq, lastSeq })),
    );
    const expected = queries.map(
      ({ userId, afterSeq, lastSeq }) =>
        many.filter((d) => d.seq > afterSeq && d.seq <= lastSeq && d.senderId !== userId && d.deletedAtMs === 0).length,
    );
    expect(await store().messages.countUnread(queries)).toEqual(expected);
  });

  test('unread messages are counted exactly where some are missing, too', async () => {
    const { key, message } = aRoom();
    await store().messages.write([4, 5, 7].map((seq) => message({ seq, senderId: seq === 5 ? 'bob' : 'ann' })));
    const query = (afterSeq: number, lastSeq: number) => ({ ...key, userId: 'bob', afterSeq, lastSeq });
    const queries = [query(0, 7), query(3, 5), query(4, 9), query(7, 7), query(9, 3), query(3, 4), query(7, 8)];
    expect(await store().messages.countUnread(queries)).toEqual([2, 1, 1, 0, 0, 1, 0]);
  });

  test('unread messages are counted exactly while own ones are deleted', async () => {
    const { key, message } = aRoom();
    const all = Array.from({ length: 240 }, (_, i) => message({ seq: i + 1, senderId: i % 2 === 0 ? 'ann' : 'bob' }));
    await store().messages.write(all);
    const counts = new Set<number>();
    let deleting = true;
    const deletions = (async () => {
      for (const own of all.filter(({ senderId }) => senderId === 'ann'))
        await store().messages.write([{ ...own, rev: own.rev + all.length, deletedAtMs: 1 }]);
    })().finally(() => {
      deleting = false;
    });
    while (deleting)
      for (const count of await store().messages.countUnread([{ ...key, userId: 'ann', afterSeq: 0, lastSeq: 240 }]))
        counts.add(count);
    await deletions;
    expect([...counts]).toEqual([120]);
  });
};
