import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';

/** What an address lets its holder do, until when. */
export interface Grant {
  act: 'put part' | 'get rendition';
  tenantId: string;
  mediaId: string;
  /** Number of the part, or name of the rendition. */
  what: string;
  /** Size of the part, in bytes; of renditions 0. */
  sizeBytes: number;
  /** UTC milliseconds since 1970. */
  expiresAtMs: number;
}

const paths = { 'put part': 'parts', 'get rendition': 'renditions' } as const;
const pathPattern = /^\/v1\/media\/([^/]+)\/([\w-]{1,64})\/(parts|renditions)\/([\w-]{1,32})$/;

/** Addresses that are the right to do one thing for a while: whoever has one needs nothing else. */
export class SignedUrls {
  readonly #key: Buffer;
  readonly #base: string;

  /** `secret`: the same in every process that makes or takes addresses; `base`: where clients reach the service. */
  constructor(secret: string, base: string) {
    this.#key = Buffer.from(hkdfSync('sha256', secret, '', 'caas media addresses', 32));
    this.#base = base;
  }

  urlOf(grant: Grant): string {
    const { act, tenantId, mediaId, what, sizeBytes, expiresAtMs } = grant;
    const path = `/v1/media/${encodeURIComponent(tenantId)}/${mediaId}/${paths[act]}/${what}`;
    const size = act === 'put part' ? `size=${sizeBytes}&` : '';
    return `${this.#base}${path}?${size}expires=${expiresAtMs}&signature=${this.#sign(grant).toString('base64url')}`;
  }

  /** What an address grants; undefined for one that nobody here has made. Whether it has expired is the caller's to see. */
  grantOf(path: string, query: URLSearchParams): Grant | undefined {
    const [, tenant = '', mediaId = '', kind, what = ''] = pathPattern.exec(path) ?? [];
    const [size, expires] = [query.get('size') ?? '0', query.get('expires') ?? ''];
    if (kind === undefined || !/^\d{1,12}$/.test(size) || !/^\d{1,15}$/.test(expires)) return undefined;
    const tenantId = decoded(tenant);
    if (tenantId === undefined) return undefined;
    const act = kind === 'parts' ? 'put part' : 'get rendition';
    const grant: Grant = { act, tenantId, mediaId, what, sizeBytes: Number(size), expiresAtMs: Number(expires) };
    const given = Buffer.from(query.get('signature') ?? '', 'base64url');
    const signature = this.#sign(grant);
    return given.length === signature.length && timingSafeEqual(given, signature) ? grant : undefined;
  }

  #sign({ act, tenantId, mediaId, what, sizeBytes, expiresAtMs }: Grant): Buffer {
    const text = JSON.stringify([act, tenantId, mediaId, what, sizeBytes, expiresAtMs]);
    return createHmac('sha256', this.#key).update(text).digest();
  }
}

const decoded = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
};
