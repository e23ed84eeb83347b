import { CaasError } from '@caas/kit';
import type { MediaRecord } from '@caas/media-store';
import type { DeleteUserMediaRequest, DeleteUserMediaResponse } from '@caas/proto/caas/media/v1/media_service';
import type { MediaCore } from '../core.ts';
import { listPage, sweepAfterMs } from '../limits.ts';
import { deleted, MEDIA_STATE_DELETED, partsPrefix, renditionsPrefix } from '../model.ts';

/** Attempts to end a record that others change at the same time. */
const maxAttempts = 10;

/** Ends the record, then its bytes: in this order nothing is ever promised that is not there. */
const deleteOne = async (core: MediaCore, { tenantId, mediaId }: MediaRecord): Promise<number> => {
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    const [record] = await core.store.getMany(tenantId, [mediaId]);
    if (!record) return 0;
    const ended = deleted(record, core.clock.now() + sweepAfterMs);
    if (record.state !== MEDIA_STATE_DELETED && !(await core.store.replace(ended))) continue;
    const counts = [partsPrefix(record), renditionsPrefix(record)].map((prefix) => core.objects.deletePrefix(prefix));
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
  }
  throw new CaasError('UNAVAILABLE', 'the media is being changed by others');
};

/** Deletes all that a user has uploaded; repeated, it tells the same ids. */
export const deleteUserMedia =
  (core: MediaCore) =>
  async ({ tenantId, userId }: DeleteUserMediaRequest): Promise<DeleteUserMediaResponse> => {
    const mediaIds: string[] = [];
    let objects = 0;
    for (;;) {
      const page = await core.store.ofUser({ tenantId, userId }, mediaIds.at(-1) ?? '', listPage);
      if (page.length === 0) return { mediaIds, objects };
      for (const record of page) {
        objects += await deleteOne(core, record);
        mediaIds.push(record.mediaId);
      }
    }
  };
