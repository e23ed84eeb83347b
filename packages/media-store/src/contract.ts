/** What every adapter of the media store has to do. */
import { randomBytes } from 'node:crypto';
import { newId } from '@caas/kit';
import { MediaKind, MediaRefusal, MediaState } from '@caas/proto/caas/media/v1/resources';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type MediaRecord, type MediaStore, maxMediaPerCall } from './port.ts';

export interface MediaStoreUnderTest {
  store: MediaStore;
  /** Closes the store and opens the same data again. */
  reopen(): Promise<MediaStore>;
}

/** Far from the times of other tests that share the store. */
let epochMs = 1_700_000_000_000;
let counter = 0;
/** A name no other test uses, so that all tests can share one store. */
const fresh = (kind: string): string => `${kind}-${++counter}-${randomBytes(4).toString('hex')}`;

const aRecord = (over: Partial<MediaRecord> = {}): Omit<MediaRecord, 'rev'> => ({
  tenantId: 't1',
  mediaId: newId(),
  userId: 'alice',
  state: MediaState.MEDIA_STATE_UPLOADING,
  refusal: MediaRefusal.MEDIA_REFUSAL_UNSPECIFIED,
  kind: MediaKind.MEDIA_KIND_UNSPECIFIED,
  mediaType: 'image/png',
  sealedName: Uint8Array.from(randomBytes(130)),
  sizeBytes: 1_000,
  sha256: '',
  renditions: [],
  capabilitiesMissing: [],
  attempts: 0,
  createdAtMs: epochMs,
  dueAtMs: 0,
  ...over,
});

export const mediaStoreContract = (name: string, open: () => Promise<MediaStoreUnderTest>): void => {
  describe(`media store on ${name}`, () => {
    let under: MediaStoreUnderTest;
    let store: MediaStore;
    beforeAll(async () => {
      under = await open();
      store = under.store;
    });
    afterAll(() => store.close());

    const only = async ({ tenantId, mediaId }: Omit<MediaRecord, 'rev'>): Promise<MediaRecord | undefined> =>
      (await store.getMany(tenantId, [mediaId]))[0];

    test('keeps a record once, and gives it back after it was opened anew', async () => {
      const record = aRecord();
      expect(await Promise.all([1, 2, 3].map(() => store.create(record)))).toEqual(
        expect.arrayContaining([true, false, false]),
      );
      store = await under.reopen();
      expect(await only(record)).toEqual({ ...record, rev: 1 });
      expect(await only({ ...record, tenantId: 't2' })).toBeUndefined();
    });

    test('changes a record by compare-and-set: of rivals at one revision one wins', async () => {
      const record = aRecord();
      expect(await store.replace({ ...record, rev: 1 })).toBe(false);
      await store.create(record);
      const renditions = [{ name: 'original', mediaType: 'image/png', sizeBytes: 9, width: 3, height: 2 }];
      const next = { ...record, state: MediaState.MEDIA_STATE_COMMITTED, renditions, capabilitiesMissing: ['scan'] };
      const done = await Promise.all([1, 2, 3].map(() => store.replace({ ...next, rev: 1 })));
      expect(done.filter(Boolean)).toHaveLength(1);
      expect(await only(record)).toEqual({ ...next, rev: 2 });
      for (const rev of [0, 1, 3]) expect(await store.replace({ ...next, rev })).toBe(false);
    });

    test('gives records in the order of the ids, with gaps', async () => {
      const [one, two] = [aRecord(), aRecord()];
      for (const record of [one, two]) await store.create(record);
      const got = await store.getMany('t1', [two.mediaId, 'none', one.mediaId]);
      expect(got.map((record) => record?.mediaId)).toEqual([two.mediaId, undefined, one.mediaId]);
      expect(await store.getMany('t1', [])).toEqual([]);
    });

    test('lists and counts what a user has, page by page, and of nobody else', async () => {
      const user = { tenantId: fresh('t'), userId: 'alice' };
      const own = [1, 2, 3, 4, 5].map(() => aRecord(user));
      const others = [aRecord({ ...user, userId: 'bob' }), aRecord({ ...user, tenantId: fresh('t') })];
      for (const record of [...own, ...others]) await store.create(record);
      const done = { ...own[0], rev: 1, state: MediaState.MEDIA_STATE_COMMITTED } as MediaRecord;
      await store.replace(done);
      const seen: string[] = [];
      for (;;) {
        const page = await store.ofUser(user, seen.at(-1) ?? '', 2);
        if (page.length === 0) break;
        seen.push(...page.map(({ mediaId }) => mediaId));
      }
      expect(seen).toEqual(own.map(({ mediaId }) => mediaId).toSorted());
      const { MEDIA_STATE_UPLOADING: uploading, MEDIA_STATE_COMMITTED: committed } = MediaState;
      expect(await store.countOf(user, [uploading])).toBe(4);
      expect(await store.countOf(user, [uploading, committed])).toBe(5);
      expect(await store.countOf(user, [])).toBe(0);
      const { tenantId } = user;
      expect(await store.bytesOf(tenantId, [uploading])).toBe(5_000);
      expect(await store.bytesOf(tenantId, [uploading, committed])).toBe(6_000);
      expect(await store.bytesOf(fresh('t'), [uploading])).toBe(0);
    });

    test('finds what is due, the longest due first, and nothing that is due later or never', async () => {
      epochMs -= 1_000_000_000;
      const times = [3, 1, 0, 2, 9].map((ms) => (ms === 0 ? 0 : epochMs + ms));
      const records = times.map((dueAtMs) => aRecord({ dueAtMs, tenantId: fresh('t') }));
      for (const record of records) await store.create(record);
      const dueAt = async (ms: number, limit: number) =>
        (await store.due(epochMs + ms, limit)).map(({ dueAtMs }) => dueAtMs - epochMs);
      expect(await dueAt(3, 10)).toEqual([1, 2, 3]);
      expect(await dueAt(3, 2)).toEqual([1, 2]);
      expect(await dueAt(0, 10)).toEqual([]);
      await store.replace({ ...(records[1] as MediaRecord), rev: 1, dueAtMs: 0 });
      expect(await dueAt(3, 10)).toEqual([2, 3]);
    });

    test('refuses more than it may be asked for at once', async () => {
      const many = Array.from({ length: maxMediaPerCall + 1 }, (_, i) => String(i));
      const user = { tenantId: 't', userId: 'u' };
      const calls = [store.getMany('t', many), store.ofUser(user, '', many.length), store.due(1, many.length)];
      for (const call of calls) await expect(call).rejects.toMatchObject({ reason: 'INVALID_ARGUMENT' });
    });
  });
};
