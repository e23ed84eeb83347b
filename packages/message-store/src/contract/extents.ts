import { MessageDocument } from '@caas/proto/caas/events/v1/documents';
import { expect, test } from '@jest/globals';
import type { Extent, MessageStore } from '../port.ts';

let counter = 0;

/** What a reader may rely on who must not be answered more than it has room for. */
export const extentsContract = (store: () => MessageStore): void => {
  /** Ten messages of a thread, all pinned, with texts of 10 kB each. */
  const written = async () => {
    const key = { tenantId: 't1', conversationId: `extents-${++counter}` };
    const threadRootId = `root-${counter}`;
    const documents = Array.from({ length: 10 }, (_, i) =>
      MessageDocument.fromPartial({
        ...key,
        messageId: `m${i + 1}`,
        senderId: 'ann',
        seq: i + 1,
        rev: i + 1,
        threadRootId,
        pinnedAtMs: 100 - i,
        content: { body: { $case: 'plain', value: { text: 'x'.repeat(10_000) } } },
      }),
    );
    await store().messages.write(documents);
    return { key, threadRootId };
  };

  test.each<[string, Extent, number]>([
    ['of few', { limit: 3 }, 3],
    ['of all there are', { limit: 10 }, 10],
    ['of more than there are', { limit: 11 }, 10],
    ['of three and a half in bytes', { limit: 10, maxBytes: 36_000 }, 3],
    ['of more than all in bytes', { limit: 10, maxBytes: 200_000 }, 10],
    ['of less than one in bytes, which is answered all the same', { limit: 10, maxBytes: 10 }, 1],
  ])('end at their extent: %s', async (_, extent, count) => {
    const { key, threadRootId } = await written();
    const { messages } = store();
    const seqs = Array.from({ length: count }, (_entry, i) => i + 1);
    for (const stretch of [
      await messages.changedSince(key, 0, 10, extent),
      await messages.thread({ ...key, messageId: threadRootId }, 0, 10, extent),
      await messages.pinned(key, 10, extent),
    ]) {
      expect(stretch.documents.map((d) => d.seq)).toEqual(seqs);
      expect(stretch.more).toBe(count < 10);
    }
    const range = { fromSeq: 1, toSeq: 10, ...extent };
    const oldest = await messages.page(key, { ...range, from: 'oldest' });
    expect(oldest.map((d) => d.seq)).toEqual(seqs);
    const newest = await messages.page(key, { ...range, from: 'newest' });
    expect(newest.map((d) => d.seq)).toEqual(seqs.map((seq) => seq + 10 - count));
  });
};
