import type { GetUploadRequest, GetUploadResponse } from '@caas/proto/caas/media/v1/media_service';
import type { MediaCore } from '../core.ts';
import { MEDIA_STATE_UPLOADING } from '../model.ts';
import { mediaView } from '../views.ts';
import { ownerOf } from './owner.ts';

/** How far an upload is, with fresh addresses for what is still to come. */
export const getUpload =
  (core: MediaCore) =>
  async ({ claims, mediaId }: GetUploadRequest): Promise<GetUploadResponse> => {
    const record = await core.own(ownerOf(claims), mediaId);
    const media = await mediaView(core, record);
    if (record.state !== MEDIA_STATE_UPLOADING) return { media, parts: [], expiresAtMs: 0 };
    return { media, ...core.parts(record, await core.arrived(record)) };
  };
