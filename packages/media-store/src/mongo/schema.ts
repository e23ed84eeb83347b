/** Records of media as they lie in MongoDB: one document each. */
import { type CollectionIndexes, textKey } from '@caas/mongo';
import { Binary, type Collection, type Db } from 'mongodb';
import type { MediaName, MediaRecord } from '../port.ts';

/** `dueAtMs` is absent while nobody has to look at it, so that its index holds those alone that are due some time. */
export type MediaRow = Omit<MediaRecord, 'sealedName' | 'dueAtMs'> & {
  _id: string;
  sealedName: Binary;
  dueAtMs?: number;
};

export const mongoMediaIndexes: readonly CollectionIndexes[] = [
  {
    collection: 'media',
    indexes: [
      { name: 'user', key: { tenantId: 1, userId: 1, mediaId: 1 } },
      { name: 'size', key: { tenantId: 1, state: 1, sizeBytes: 1 } },
      { name: 'due', key: { dueAtMs: 1 }, sparse: true },
    ],
  },
];

export const mediaOf = (db: Db): Collection<MediaRow> => db.collection('media');

export const mediaKey = ({ tenantId, mediaId }: MediaName): string => textKey(tenantId, mediaId);

export const rowOf = ({ sealedName, dueAtMs, ...record }: MediaRecord): MediaRow => ({
  ...record,
  _id: mediaKey(record),
  sealedName: new Binary(sealedName),
  ...(dueAtMs > 0 && { dueAtMs }),
});

export const recordOf = ({ _id, sealedName, dueAtMs = 0, ...record }: MediaRow): MediaRecord => ({
  ...record,
  sealedName: Uint8Array.from(sealedName.value()),
  dueAtMs,
});
