import type { ResolveAttachmentsRequest, ResolveAttachmentsResponse } from '@caas/proto/caas/media/v1/media_service';
import type { MediaCore } from '../core.ts';
import { MEDIA_STATE_COMMITTED } from '../model.ts';
import { mediaViews } from '../views.ts';
import { ownerOf } from './owner.ts';

/** Which media the user may attach. */
export const resolveAttachments =
  (core: MediaCore) =>
  async ({ claims, mediaIds }: ResolveAttachmentsRequest): Promise<ResolveAttachmentsResponse> => {
    const { tenantId, userId } = ownerOf(claims);
    const records = await core.store.getMany(tenantId, [...new Set(mediaIds)]);
    const own = records.filter((record) => record?.userId === userId && record.state === MEDIA_STATE_COMMITTED);
    return { media: await mediaViews(core, tenantId, own as Exclude<(typeof own)[number], undefined>[]) };
  };
