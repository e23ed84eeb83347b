import { fail } from '@caas/kit';
import type { CompleteUploadRequest, CompleteUploadResponse } from '@caas/proto/caas/media/v1/media_service';
import type { MediaCore } from '../core.ts';
import { completeWaitMs, jobLeaseMs } from '../limits.ts';
import { MEDIA_STATE_PROCESSING, MEDIA_STATE_UPLOADING, partSizes } from '../model.ts';
import { mediaView } from '../views.ts';
import { ownerOf } from './owner.ts';

/** Ends an upload and begins its processing; repeated, it tells how far that is. */
export const completeUpload =
  (core: MediaCore) =>
  async ({ claims, mediaId }: CompleteUploadRequest): Promise<CompleteUploadResponse> => {
    const owner = ownerOf(claims);
    const record = await core.own(owner, mediaId);
    if (record.state === MEDIA_STATE_UPLOADING) {
      const [arrived, count] = [await core.arrived(record), partSizes(record.sizeBytes).length];
      if (arrived.size < count)
        fail('FAILED_PRECONDITION', `${count - arrived.size} of ${count} parts have not arrived`, {
          details: { arrived: String(arrived.size), parts: String(count) },
        });
      core.processing.assertRoom();
      const next = { ...record, state: MEDIA_STATE_PROCESSING, dueAtMs: core.clock.now() + jobLeaseMs };
      // Another call may have done so first.
      if (await core.store.replace(next))
        await core.processing.process({ ...next, rev: record.rev + 1 }, completeWaitMs);
    } else if (record.state === MEDIA_STATE_PROCESSING) await core.processing.joined(record, completeWaitMs);
    return { media: await mediaView(core, await core.own(owner, mediaId)) };
  };
