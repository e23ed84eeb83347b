/** What every adapter of the message store has to do. Assumes the atomicity of one document and no more. */
import { ParticipantState } from '@caas/proto/caas/events/v1/content';
import type { ConversationDocument, MessageDocument } from '@caas/proto/caas/events/v1/documents';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { aRoom, fresh, type Room } from './contract/builders.ts';
import { extentsContract } from './contract/extents.ts';
import { keysContract } from './contract/keys.ts';
import { listsContract } from './contract/lists.ts';
import { positionsContract } from './contract/positions.ts';
import { racesContract } from './contract/races.ts';
import { type MessageStore, maxDocumentsPerCall } from './index.ts';

export interface MessageStoreUnderTest {
  store: MessageStore;
  /** Closes the store and opens the same data again. */
  reopen(): Promise<MessageStore>;
}

export const messageStoreContract = (name: string, open: () => Promise<MessageStoreUnderTest>): void => {
  describe(`message store on ${name}`, () => {
    let under: MessageStoreUnderTest;
    let store: MessageStore;
    beforeAll(async () => {
      under = await open();
      store = under.store;
    });
    afterAll(() => store.close());

    describe('messages', () => {
      test('come back as they were written, in the order of the keys, absent ones as undefined', async () => {
        const { key, message } = aRoom();
        const [first, second] = [message({ edits: [{ content: undefined, replacedAtMs: 5 }] }), message({ seq: 2 })];
        await store.messages.write([first, second]);
        const keys = [second, { ...key, messageId: 'nobody' }, first].map((d) => ({ ...key, messageId: d.messageId }));
        expect(await store.messages.getMany(keys)).toEqual([second, undefined, first]);
        expect(await store.messages.getMany([])).toEqual([]);
      });

      test('of another tenant or conversation are never found', async () => {
        const { key, message } = aRoom();
        const document = message();
        await store.messages.write([document]);
        const { messageId } = document;
        const elsewhere = [
          { ...key, tenantId: 't2', messageId },
          { tenantId: 't1', conversationId: fresh('conversation'), messageId },
          // The same characters, cut elsewhere.
          {
            tenantId: `${key.tenantId}${key.conversationId.slice(0, 1)}`,
            conversationId: key.conversationId.slice(1),
            messageId,
          },
        ];
        expect(await store.messages.getMany(elsewhere)).toEqual([undefined, undefined, undefined]);
        const range = { fromSeq: 1, toSeq: 9, limit: 9, from: 'oldest' as const };
        expect(await store.messages.page({ ...key, tenantId: 't2' }, range)).toEqual([]);
      });

      test('are replaced by the same or a later epoch and left alone by an earlier one, without an error', async () => {
        const { key, message } = aRoom();
        const document = message({ epoch: 5 });
        const changed = (epoch: number): MessageDocument => ({ ...document, epoch, deletedBy: `epoch ${epoch}` });
        const stored = async () => (await store.messages.getMany([{ ...key, messageId: document.messageId }]))[0];
        await store.messages.write([document]);
        await store.messages.write([changed(4)]);
        expect(await stored()).toEqual(document);
        await store.messages.write([changed(5), { ...changed(5), rev: 9 }]);
        expect(await stored()).toEqual({ ...changed(5), rev: 9 });
        await store.messages.write([changed(6)]);
        expect(await stored()).toEqual(changed(6));
        await store.messages.write([changed(5)]);
        expect(await stored()).toEqual(changed(6));
      });

      test('are paged by seq from either end', async () => {
        const { key, message } = aRoom();
        await store.messages.write([3, 1, 5, 2, 4].map((seq) => message({ seq, rev: seq })));
        const seqs = async (fromSeq: number, toSeq: number, limit: number, from: 'oldest' | 'newest') =>
          (await store.messages.page(key, { fromSeq, toSeq, limit, from })).map((d) => d.seq);
        expect(await seqs(2, 5, 3, 'oldest')).toEqual([2, 3, 4]);
        expect(await seqs(1, 4, 3, 'newest')).toEqual([2, 3, 4]);
        expect(await seqs(6, 9, 3, 'newest')).toEqual([]);
      });

      test('are found by the revision of their last change, committed ones only', async () => {
        const { key, message } = aRoom();
        const [a, b, c] = [message({ seq: 1, rev: 2 }), message({ seq: 2, rev: 3 }), message({ seq: 3, rev: 4 })];
        await store.messages.write([a, b, c]);
        const since = async (rev: number, lastSeq: number, limit = 10) =>
          (await store.messages.changedSince(key, rev, lastSeq, { limit })).documents.map((d) => [d.seq, d.rev]);
        expect(await since(2, 2)).toEqual([[2, 3]]);
        await store.messages.write([{ ...a, rev: 7 }]);
        expect(await since(2, 3)).toEqual([
          [2, 3],
          [3, 4],
          [1, 7],
        ]);
        expect(await since(2, 3, 1)).toEqual([[2, 3]]);
      });

      test('of a thread and pinned ones are found in their order', async () => {
        const { key, message } = aRoom();
        const root = message({ seq: 1, pinnedAtMs: 50 });
        const threadRootId = root.messageId;
        const replies = [2, 4, 5].map((seq) => message({ seq, threadRootId }));
        await store.messages.write([{ ...root, threadRootId }, ...replies, message({ seq: 3, pinnedAtMs: 90 })]);
        const thread = await store.messages.thread({ ...key, messageId: threadRootId }, 2, 4, { limit: 10 });
        expect(thread.documents.map((d) => d.seq)).toEqual([4]);
        expect((await store.messages.pinned(key, 9, { limit: 10 })).documents.map((d) => d.seq)).toEqual([3, 1]);
        expect((await store.messages.pinned(key, 2, { limit: 10 })).documents.map((d) => d.seq)).toEqual([1]);
        await store.messages.write([{ ...root, pinnedAtMs: 0 }]);
        expect((await store.messages.pinned(key, 9, { limit: 10 })).documents.map((d) => d.seq)).toEqual([3]);
      });

      test('are counted as unread unless one’s own, a tombstone or past the head', async () => {
        const { key, message } = aRoom();
        await store.messages.write([
          ...[1, 2, 3, 4, 6].map((seq) => message({ seq })),
          message({ seq: 5, senderId: 'bob' }),
        ]);
        await store.messages.write([message({ seq: 7, deletedAtMs: 1 })]);
        const query = (userId: string, afterSeq: number, lastSeq: number) => ({ ...key, userId, afterSeq, lastSeq });
        const queries = [query('bob', 0, 7), query('bob', 2, 5), query('ann', 0, 7), query('ann', 5, 7)];
        expect(await store.messages.countUnread(queries)).toEqual([5, 2, 1, 0]);
        expect(await store.messages.countUnread([{ ...query('ann', 0, 7), tenantId: 't2' }])).toEqual([0]);
      });

      test('are hidden for one user, and hidden twice is hidden once under the greater rev', async () => {
        const { key } = aRoom();
        const user = { ...key, userId: 'ann' };
        const hidden = (messageId: string, seq: number, rev: number) => ({ ...user, messageId, seq, rev });
        await store.messages.hide([hidden('a', 1, 5), hidden('b', 2, 6)]);
        await store.messages.hide([hidden('a', 1, 9), hidden('b', 2, 3)]);
        expect(await store.messages.hiddenIn(user, 1, 2)).toEqual(['a', 'b']);
        expect(await store.messages.hiddenIn(user, 2, 2)).toEqual(['b']);
        expect(await store.messages.hiddenIn({ ...key, userId: 'bob' }, 1, 2)).toEqual([]);
        const at = (seq: number, userId = 'ann') => ({ ...key, userId, seq });
        expect(await store.messages.areHidden([at(2), at(3), at(2, 'bob'), at(1)])).toEqual([true, false, false, true]);
        expect(await store.messages.areHidden([])).toEqual([]);
        expect(await store.messages.hiddenSince(user, 5, 10)).toEqual([hidden('b', 2, 6), hidden('a', 1, 9)]);
        expect(await store.messages.hiddenSince(user, 5, 1)).toEqual([hidden('b', 2, 6)]);
      });
    });

    describe('reads of messages', () => extentsContract(() => store));

    describe('conversations', () => {
      test('are committed by compare-and-set, each on its own', async () => {
        const [one, two] = [aRoom(), aRoom()];
        const commit = (expectedHeadRev: number, document: ConversationDocument) => ({ expectedHeadRev, document });
        expect(await store.conversations.commit([commit(0, one.head(3, 1)), commit(1, two.head(2, 1))])).toEqual([
          'committed',
          'stale',
        ]);
        expect(await store.conversations.getMany([two.key, one.key])).toEqual([undefined, one.head(3, 1)]);
        expect(await store.conversations.commit([commit(0, one.head(4, 1))])).toEqual(['stale']);
        expect(await store.conversations.commit([commit(2, one.head(4, 1)), commit(3, one.head(9, 1))])).toEqual([
          'stale',
          'committed',
        ]);
        expect(await store.conversations.getMany([one.key])).toEqual([one.head(9, 1)]);
      });

      test('are fenced off from earlier epochs by a commit that leaves the head where it is', async () => {
        const { key, head } = aRoom();
        await store.conversations.commit([{ expectedHeadRev: 0, document: head(3, 4) }]);
        expect(await store.conversations.commit([{ expectedHeadRev: 3, document: head(3, 5) }])).toEqual(['committed']);
        expect(await store.conversations.commit([{ expectedHeadRev: 3, document: head(8, 4) }])).toEqual(['stale']);
        expect(await store.conversations.getMany([key])).toEqual([head(3, 5)]);
        expect(await store.conversations.commit([{ expectedHeadRev: 3, document: head(8, 5) }])).toEqual(['committed']);
      });

      test('of ten commits that saw the same head one takes place', async () => {
        const { head } = aRoom();
        await store.conversations.commit([{ expectedHeadRev: 0, document: head(1, 1) }]);
        const tries = Array.from({ length: 10 }, (_, i) =>
          store.conversations.commit([{ expectedHeadRev: 1, document: head(2 + i, 1) }]),
        );
        expect((await Promise.all(tries)).flat().filter((outcome) => outcome === 'committed')).toHaveLength(1);
      });

      test('a claim of a shard is greater than all before, of any shard', async () => {
        const claims: number[] = [];
        for (const shard of [0, 1, 1, 0, 2]) claims.push(await store.conversations.claimShard(shard));
        expect(claims).toEqual([...claims].sort((a, b) => a - b));
        expect(new Set(claims).size).toBe(5);
        expect(Math.min(...claims)).toBeGreaterThan(0);
      });
    });

    describe('the position of a shard', () => positionsContract(() => store));

    describe('participants', () => {
      test('are written under their epoch and found by key, page and revision', async () => {
        const { key, participant } = aRoom();
        const left = { state: ParticipantState.PARTICIPANT_STATE_LEFT, rev: 4 };
        const [ann, bob, cyd] = [
          participant('ann'),
          participant('bob', left),
          participant('cyd', { rev: 3, epoch: 6 }),
        ];
        await store.participants.write([ann, bob, cyd]);
        await store.participants.write([{ ...cyd, readSeq: 7, epoch: 5 }]);
        const keys = ['cyd', 'dan', 'ann'].map((userId) => ({ ...key, userId }));
        expect(await store.participants.getMany(keys)).toEqual([cyd, undefined, ann]);
        const page = (afterUserId: string, limit: number, activeOnly: boolean) =>
          store.participants.ofConversation(key, { afterUserId, limit, activeOnly });
        expect(await page('', 2, false)).toEqual([ann, bob]);
        expect(await page('', 2, true)).toEqual([ann, cyd]);
        expect(await page('ann', 9, false)).toEqual([bob, cyd]);
        expect(await store.participants.changedSince(key, 1, 9)).toEqual([cyd, bob]);
        expect(await store.participants.changedSince(key, 1, 1)).toEqual([cyd]);
      });

      test('of a user are listed by conversation and counted when active, within the tenant', async () => {
        const userId = fresh('user');
        const rooms = [aRoom(), aRoom(), aRoom()].sort((a, b) =>
          a.key.conversationId < b.key.conversationId ? -1 : 1,
        );
        const left = { state: ParticipantState.PARTICIPANT_STATE_LEFT };
        const documents = rooms.map((room, i) => room.participant(userId, i === 1 ? left : {}));
        await store.participants.write(documents);
        await store.participants.write([{ ...(rooms[0] as Room).participant(userId), tenantId: 't2' }]);
        const ofUser = (afterConversationId: string, limit: number, activeOnly: boolean) =>
          store.participants.ofUser('t1', userId, { afterConversationId, limit, activeOnly });
        expect(await ofUser('', 9, false)).toEqual(documents);
        expect(await ofUser('', 9, true)).toEqual([documents[0], documents[2]]);
        expect(await ofUser((rooms[0] as Room).key.conversationId, 1, false)).toEqual([documents[1]]);
        expect(await store.participants.countActive('t1', ['nobody', userId, userId])).toEqual([0, 2, 2]);
        expect(await store.participants.countActive('t2', [userId])).toEqual([1]);
        expect(await store.participants.countActive('t1', [])).toEqual([]);
      });
    });

    describe('keys', () => keysContract(() => store));
    describe('lists of conversations', () => listsContract(() => store));
    describe('races', () => racesContract(() => store));

    test('a call with too many documents, keys or results is refused, naming the limit', async () => {
      const { key, message, participant } = aRoom();
      const tooMany = Array.from({ length: maxDocumentsPerCall + 1 }, () => message());
      const refused = { reason: 'INVALID_ARGUMENT', details: { limit: 'maxDocumentsPerCall' } };
      await expect(store.messages.write(tooMany)).rejects.toMatchObject(refused);
      await expect(store.messages.getMany(tooMany)).rejects.toMatchObject(refused);
      await expect(store.participants.write(tooMany.map((_, i) => participant(`u${i}`)))).rejects.toMatchObject(
        refused,
      );
      const range = { fromSeq: 1, toSeq: 9, limit: maxDocumentsPerCall + 1, from: 'oldest' as const };
      await expect(store.messages.page(key, range)).rejects.toMatchObject(refused);
    });

    test('a store opened again has everything, and gives greater epochs', async () => {
      const { key, message, participant, head } = aRoom();
      const document = message();
      await store.messages.write([document]);
      await store.participants.write([participant('ann')]);
      await store.conversations.commit([{ expectedHeadRev: 0, document: head(2, 1) }]);
      const epoch = await store.conversations.claimShard(2);
      await store.conversations.keepShardPosition(2, epoch, { 'message.sent-2': 5 });
      store = await under.reopen();
      expect(await store.messages.getMany([document])).toEqual([document]);
      expect(await store.participants.getMany([{ ...key, userId: 'ann' }])).toEqual([participant('ann')]);
      expect(await store.conversations.getMany([key])).toEqual([head(2, 1)]);
      expect(await store.conversations.claimShard(0)).toBeGreaterThan(epoch);
      expect(await store.conversations.shardPosition(2)).toEqual({ 'message.sent-2': 5 });
    });
  });
};
