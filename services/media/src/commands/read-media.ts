import { fail } from '@caas/kit';
import type { ReadMediaRequest, ReadMediaResponse } from '@caas/proto/caas/media/v1/media_service';
import type { MediaCore } from '../core.ts';
import { readChunkBytes } from '../limits.ts';
import { MEDIA_STATE_COMMITTED, renditionKey } from '../model.ts';

/** The bytes of an original, piece by piece. */
export const readMedia = (core: MediaCore) =>
  async function* ({ tenantId, mediaId }: ReadMediaRequest): AsyncGenerator<ReadMediaResponse> {
    const record = await core.find(tenantId, mediaId);
    if (record?.state !== MEDIA_STATE_COMMITTED) return fail('NOT_FOUND', 'no such media');
    const original = await core.sealed.get(tenantId, renditionKey(record, 'original'));
    if (original === undefined || original === 'destroyed') return fail('NOT_FOUND', 'no such media');
    for await (const bytes of original.body as AsyncIterable<Buffer>)
      for (let at = 0; at < bytes.length; at += readChunkBytes)
        yield { chunk: bytes.subarray(at, at + readChunkBytes) };
  };
