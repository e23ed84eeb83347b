import { fail } from '@caas/kit';
import type { MediaCore } from '../core.ts';
import { maxPartsInFlight } from '../limits.ts';
import { MEDIA_STATE_UPLOADING, partKey } from '../model.ts';
import type { Served } from './edge.ts';

/** Takes a part in, sealed as it arrives; the same part again takes its place. */
export const putPart = (core: MediaCore): Served => {
  let inFlight = 0;
  return async (request, response, { tenantId, mediaId, what, sizeBytes }) => {
    if (Number(request.headers['content-length'] ?? Number.NaN) !== sizeBytes)
      fail('INVALID_ARGUMENT', `the part has ${sizeBytes} bytes, and Content-Length must say so`, {
        details: { field: 'content-length', value: String(sizeBytes), unit: 'bytes' },
      });
    if (inFlight >= maxPartsInFlight)
      fail('OVERLOADED', 'too many parts arrive at the same time', {
        details: { limit: 'maxPartsInFlight', value: String(maxPartsInFlight), unit: 'parts' },
      });
    inFlight += 1;
    try {
      const record = await core.find(tenantId, mediaId);
      if (record?.state !== MEDIA_STATE_UPLOADING)
        return fail('FAILED_PRECONDITION', 'there is no such upload any more');
      if ((await core.sealed.put(record, partKey(record, Number(what)), request, sizeBytes)) === 'size')
        fail('INVALID_ARGUMENT', 'the part ended early', { details: { field: 'content-length' } });
      response.writeHead(204, { 'cache-control': 'no-store' }).end();
    } finally {
      inFlight -= 1;
    }
  };
};
