import { fail, newId } from '@caas/kit';
import type { CreateUploadRequest, CreateUploadResponse } from '@caas/proto/caas/media/v1/media_service';
import { MediaKind, MediaRefusal } from '@caas/proto/caas/media/v1/resources';
import type { MediaCore } from '../core.ts';
import { maxOpenUploads, uploadLifeMs } from '../limits.ts';
import { harmlessName, MEDIA_STATE_PROCESSING, MEDIA_STATE_UPLOADING, namePlace } from '../model.ts';
import { mediaView } from '../views.ts';
import { ownerOf } from './owner.ts';

/** Begins an upload. */
export const createUpload =
  (core: MediaCore) =>
  async ({ claims, name, mediaType, sizeBytes, sha256 }: CreateUploadRequest): Promise<CreateUploadResponse> => {
    const owner = ownerOf(claims);
    const { maxUploadBytes } = core.config;
    if (sizeBytes > maxUploadBytes)
      fail('LIMIT_EXCEEDED', `the file is larger than ${maxUploadBytes} bytes`, {
        details: { limit: 'maxUploadBytes', value: String(maxUploadBytes), unit: 'bytes' },
      });
    if (sha256 !== '' && !/^[0-9a-f]{64}$/.test(sha256))
      fail('INVALID_ARGUMENT', 'sha256 must be 64 lower-case hex digits', { details: { field: 'sha256' } });
    if (!/^(?:[\w.+-]+\/[\w.+-]+(?:;[\x20-\x7e]*)?)?$/.test(mediaType))
      fail('INVALID_ARGUMENT', 'media_type must be a media type, as image/png', { details: { field: 'media_type' } });
    if ((await core.store.countOf(owner, [MEDIA_STATE_UPLOADING, MEDIA_STATE_PROCESSING])) >= maxOpenUploads)
      fail('LIMIT_EXCEEDED', 'too many uploads are under way', {
        details: { limit: 'maxOpenUploads', value: String(maxOpenUploads), unit: 'uploads' },
      });
    const createdAtMs = core.clock.now();
    const named = { tenantId: owner.tenantId, mediaId: newId(createdAtMs) };
    const record = {
      ...owner,
      ...named,
      state: MEDIA_STATE_UPLOADING,
      refusal: MediaRefusal.MEDIA_REFUSAL_UNSPECIFIED,
      kind: MediaKind.MEDIA_KIND_UNSPECIFIED,
      mediaType: (mediaType.split(';')[0] ?? '').toLowerCase(),
      sealedName: await core.sealed.sealText(owner, namePlace(named), harmlessName(name)),
      sizeBytes,
      sha256,
      renditions: [],
      capabilitiesMissing: [],
      attempts: 0,
      createdAtMs,
      dueAtMs: createdAtMs + uploadLifeMs,
    };
    await core.quota.begin(core, owner.tenantId, sizeBytes, () => core.store.create(record));
    const kept = { ...record, rev: 1 };
    return { media: await mediaView(core, kept), ...core.parts(kept, new Set()) };
  };
