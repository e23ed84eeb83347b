import { fail } from '@caas/kit';
import type { AbortUploadRequest, AbortUploadResponse } from '@caas/proto/caas/media/v1/media_service';
import type { MediaCore } from '../core.ts';
import { sweepAfterMs } from '../limits.ts';
import { deleted, MEDIA_STATE_DELETED, MEDIA_STATE_UPLOADING, partsPrefix } from '../model.ts';
import { ownerOf } from './owner.ts';

/** Drops an upload; dropped is dropped, also when it is said twice. */
export const abortUpload =
  (core: MediaCore) =>
  async ({ claims, mediaId }: AbortUploadRequest): Promise<AbortUploadResponse> => {
    const { tenantId, userId } = ownerOf(claims);
    const [record] = await core.store.getMany(tenantId, [mediaId]);
    if (record?.userId !== userId) return fail('NOT_FOUND', 'no such upload');
    if (record.state === MEDIA_STATE_DELETED) return {};
    if (
      record.state !== MEDIA_STATE_UPLOADING ||
      !(await core.store.replace(deleted(record, core.clock.now() + sweepAfterMs)))
    )
      fail('FAILED_PRECONDITION', 'the upload is complete');
    await core.objects.deletePrefix(partsPrefix(record));
    return {};
  };
