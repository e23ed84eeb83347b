import type { ListUserMediaRequest, ListUserMediaResponse } from '@caas/proto/caas/media/v1/media_service';
import type { MediaCore } from '../core.ts';
import { listPage } from '../limits.ts';
import { mediaViews } from '../views.ts';

/** A page of what a user has uploaded; deleted ones are told as such, so that a page is never empty before the end. */
export const listUserMedia =
  (core: MediaCore) =>
  async ({ tenantId, userId, afterMediaId }: ListUserMediaRequest): Promise<ListUserMediaResponse> => {
    const records = await core.store.ofUser({ tenantId, userId }, afterMediaId, listPage);
    return { media: await mediaViews(core, tenantId, records) };
  };
