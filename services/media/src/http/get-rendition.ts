import { pipeline } from 'node:stream/promises';
import { fail } from '@caas/kit';
import type { ByteRange } from '@caas/object-store';
import { MediaKind } from '@caas/proto/caas/media/v1/resources';
import type { MediaCore } from '../core.ts';
import { renditionUrlMs } from '../limits.ts';
import { MEDIA_STATE_COMMITTED, renditionKey, savedName } from '../model.ts';
import { mediaView } from '../views.ts';
import type { Served } from './edge.ts';

/** The range a request asks for; undefined: the whole (RFC 9110 §14.2 lets a server take what it does not understand as that). */
export const rangeOf = (header: string | undefined, sizeBytes: number): ByteRange | 'not satisfiable' | undefined => {
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '') ?? [];
  if (first === undefined || last === undefined || (first === '' && last === '')) return undefined;
  const from = first === '' ? Math.max(0, sizeBytes - Number(last)) : Number(first);
  const to = first === '' || last === '' ? sizeBytes : Math.min(Number(last) + 1, sizeBytes);
  if (last !== '' && first !== '' && Number(last) < from) return undefined;
  return from >= sizeBytes || to <= from ? 'not satisfiable' : { from, to };
};

/** RFC 6266, with the name as RFC 8187 writes it; nothing but letters and digits is left as it is. */
const disposition = (kind: 'inline' | 'attachment', name: string): string =>
  `${kind}; filename*=UTF-8''${encodeURIComponent(name).replaceAll(/['()*!]/g, (c) => `%${c.charCodeAt(0).toString(16)}`)}`;

/** Hands out a form of media. Pictures, which were written here, are shown; anything else is only ever saved. */
export const getRendition =
  (core: MediaCore): Served =>
  async (request, response, { tenantId, mediaId, what }) => {
    const record = await core.find(tenantId, mediaId);
    const rendition = record?.renditions.find(({ name }) => name === what);
    if (record?.state !== MEDIA_STATE_COMMITTED || !rendition) return fail('NOT_FOUND', 'no such media');
    const isShown = record.kind === MediaKind.MEDIA_KIND_IMAGE;
    const { sizeBytes, mediaType } = rendition;
    const range = rangeOf(request.headers.range, sizeBytes);
    const view = await mediaView(core, record);
    response.setHeader('accept-ranges', 'bytes');
    response.setHeader('content-type', isShown ? mediaType : 'application/octet-stream');
    response.setHeader(
      'content-disposition',
      disposition(isShown ? 'inline' : 'attachment', savedName(view?.name || 'file', record.kind, mediaType)),
    );
    response.setHeader('cache-control', `private, max-age=${renditionUrlMs / 1_000}, immutable`);
    if (range === 'not satisfiable') {
      response.writeHead(416, { 'content-range': `bytes */${sizeBytes}`, 'content-length': 0 }).end();
      return;
    }
    const found = await core.sealed.get(tenantId, renditionKey(record, what), range);
    if (found === undefined || found === 'destroyed') return fail('NOT_FOUND', 'no such media');
    const { from, to } = range ?? { from: 0, to: sizeBytes };
    if (range) response.setHeader('content-range', `bytes ${from}-${to - 1}/${sizeBytes}`);
    response.writeHead(range ? 206 : 200, { 'content-length': to - from });
    if (request.method === 'HEAD') {
      found.body.destroy();
      response.end();
    } else await pipeline(found.body, response);
  };
