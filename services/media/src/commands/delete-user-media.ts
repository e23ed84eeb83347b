import { CaasError } from '@caas/kit';
import type { MediaRecord } from '@caas/media-store';
import type {
  DeletedMedia,
  DeleteUserMediaRequest,
  DeleteUserMediaResponse,
} from '@caas/proto/caas/media/v1/media_service';
import type { MediaCore } from '../core.ts';
import { deletePage, sweepAfterMs } from '../limits.ts';
import { deleted, MEDIA_STATE_DELETED, prefixesOf } from '../model.ts';

/** Attempts to end a record that others change at the same time. */
const maxAttempts = 10;

/** Ends the record, then its bytes: in this order nothing is ever promised that is not there. */
export const deleteMedia = async (core: MediaCore, { tenantId, mediaId }: MediaRecord): Promise<DeletedMedia> => {
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    const [record] = await core.store.getMany(tenantId, [mediaId]);
    if (!record) break;
    const ended = deleted(record, core.clock.now() + sweepAfterMs);
    if (record.state !== MEDIA_STATE_DELETED && !(await core.store.replace(ended))) continue;
    const counts = await Promise.all(prefixesOf(record).map((prefix) => core.objects.deletePrefix(prefix)));
    const { sha256, sizeBytes } = record;
    return { mediaId, sha256, sizeBytes, objects: counts.reduce((sum, count) => sum + count, 0) };
  }
  throw new CaasError('UNAVAILABLE', 'the media is being changed by others');
};

/** Deletes a page of what a user has uploaded; repeated, it tells the same. */
export const deleteUserMedia =
  (core: MediaCore) =>
  async ({ tenantId, userId, afterMediaId }: DeleteUserMediaRequest): Promise<DeleteUserMediaResponse> => {
    const page = await core.store.ofUser({ tenantId, userId }, afterMediaId, deletePage);
    const done: DeletedMedia[] = [];
    for (const record of page) done.push(await deleteMedia(core, record));
    return {
      mediaIds: done.map(({ mediaId }) => mediaId),
      objects: done.reduce((sum, { objects }) => sum + objects, 0),
      deleted: done,
      more: page.length === deletePage,
    };
  };
