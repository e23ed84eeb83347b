import { fail } from '@caas/kit';
import type { GetMediaRequest, GetMediaResponse } from '@caas/proto/caas/media/v1/media_service';
import type { MediaCore } from '../core.ts';
import { MEDIA_STATE_COMMITTED } from '../model.ts';
import { mediaView } from '../views.ts';
import { ownerOf } from './owner.ts';

/** Describes media, with addresses once it is COMMITTED. */
export const getMedia =
  (core: MediaCore) =>
  async ({ claims, mediaId, carried }: GetMediaRequest): Promise<GetMediaResponse> => {
    const { tenantId, userId } = ownerOf(claims);
    const record = await core.find(tenantId, mediaId);
    if (!record || !(carried || record.userId === userId)) return fail('NOT_FOUND', 'no such media');
    if (record.state !== MEDIA_STATE_COMMITTED) return { media: await mediaView(core, record), expiresAtMs: 0 };
    const { urlOf, expiresAtMs } = core.renditionUrls();
    return { media: await mediaView(core, record, urlOf), expiresAtMs };
  };
