import { openSqliteHost } from '@caas/sqlite';
import { assertMedia } from './limits.ts';
import type { MediaRecord, MediaStore } from './port.ts';
import type { open } from './sqlite-media-worker.ts';

/** A slice of a pooled buffer would take the whole pool along into the thread. */
const ownBytes = <R extends Pick<MediaRecord, 'sealedName'>>(record: R): R => ({
  ...record,
  sealedName: Uint8Array.from(record.sealedName),
});

/** Opens the records of media in a SQLite file of their own. Rejects UNAVAILABLE or INTERNAL when it cannot be opened. */
export const openSqliteMediaStore = async ({ file }: { file: string }): Promise<MediaStore> => {
  const module = new URL('./sqlite-media-worker.ts', import.meta.url);
  const host = await openSqliteHost<ReturnType<typeof open>>({ file, module });
  return {
    create: (record) => host.call('create', ownBytes(record)),
    replace: (record) => host.call('replace', ownBytes(record)),
    getMany: async (tenantId, mediaIds) => {
      assertMedia(mediaIds.length);
      return mediaIds.length === 0 ? [] : host.call('getMany', { tenantId, mediaIds });
    },
    ofUser: async (user, afterMediaId, limit) => {
      assertMedia(limit);
      return host.call('ofUser', { ...user, afterMediaId, limit });
    },
    countOf: (user, states) => host.call('countOf', { ...user, states }),
    bytesOf: (tenantId, states) => host.call('bytesOf', { tenantId, states }),
    due: async (atMs, limit) => {
      assertMedia(limit);
      return host.call('due', { atMs, limit });
    },
    close: () => host.close(),
  };
};
