import type { MediaRecord } from '@caas/media-store';
import { objectKey, objectPrefix } from '@caas/object-store';
import { MediaKind, MediaRefusal, MediaState } from '@caas/proto/caas/media/v1/resources';
import { partBytes } from './limits.ts';

/** What media is made of and where it lies; pure. */

type Named = Pick<MediaRecord, 'tenantId' | 'mediaId'>;

/** Places of the parts of an upload. */
export const partKey = ({ tenantId, mediaId }: Named, number: number): string =>
  objectKey(tenantId, 'uploads', mediaId, String(number).padStart(5, '0'));
export const partsPrefix = ({ tenantId, mediaId }: Named): string => objectPrefix(tenantId, 'uploads', mediaId);

/** Places of what is handed out. */
export const renditionKey = ({ tenantId, mediaId }: Named, name: string): string =>
  objectKey(tenantId, 'media', mediaId, name);
export const renditionsPrefix = ({ tenantId, mediaId }: Named): string => objectPrefix(tenantId, 'media', mediaId);

/** Places of what a scanner has found something in, for an operator to look at. */
export const quarantineKey = ({ tenantId, mediaId }: Named): string =>
  objectKey(tenantId, 'quarantine', mediaId, 'original');

/** Prefixes of all that lies of media. */
export const prefixesOf = (named: Named): string[] => [
  partsPrefix(named),
  renditionsPrefix(named),
  objectPrefix(named.tenantId, 'quarantine', named.mediaId),
];

/** Where the name of media belongs, for its sealing. */
export const namePlace = ({ tenantId, mediaId }: Named): string => `name of ${objectKey(tenantId, mediaId)}`;

/** Sizes of the parts of an upload, in bytes, the first one first. */
export const partSizes = (sizeBytes: number): number[] => {
  const count = Math.ceil(sizeBytes / partBytes);
  return Array.from({ length: count }, (_, i) => Math.min(partBytes, sizeBytes - i * partBytes));
};

const longestName = 200;

/**
 * A name as uploaded, made harmless: its last segment, without controls, direction marks and characters that file systems
 * refuse, not hidden, cut to 200 characters with its extension kept.
 */
export const harmlessName = (name: string): string => {
  const last = name.toWellFormed().split(/[/\\]/).at(-1) ?? '';
  const clean = last
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}<>:"|?*]/gu, '')
    .trim()
    .replace(/^\.+/, '')
    .replace(/[. ]+$/, '');
  if (clean === '') return 'file';
  const letters = [...clean];
  if (letters.length <= longestName) return clean;
  const extension = /\.[\w-]{1,16}$/.exec(clean)?.[0] ?? '';
  return `${letters.slice(0, longestName - extension.length).join('')}${extension}`;
};

export const extensionOf = (name: string): string => (/\.([^.]+)$/.exec(name)?.[1] ?? '').toLowerCase();

/** The name a rendition is saved under: that of the media with the extension of what it is. */
export const savedName = (name: string, kind: MediaKind, mediaType: string): string => {
  if (kind !== MediaKind.MEDIA_KIND_IMAGE) return name;
  const extension = mediaType === 'image/jpeg' ? 'jpg' : (mediaType.split('/')[1] ?? 'img');
  return `${name.replace(/\.[^.]*$/, '')}.${extension}`;
};

export const {
  MEDIA_STATE_UPLOADING,
  MEDIA_STATE_PROCESSING,
  MEDIA_STATE_COMMITTED,
  MEDIA_STATE_REFUSED,
  MEDIA_STATE_DELETED,
} = MediaState;

/** Media as it is after its end, by refusal or deletion: no bytes, and nothing personal, stay; the hash, to say what was deleted. */
export const refused = (record: MediaRecord, refusal: MediaRefusal, dueAtMs: number): MediaRecord => ({
  ...record,
  state: MEDIA_STATE_REFUSED,
  refusal,
  renditions: [],
  dueAtMs,
});

export const deleted = (record: MediaRecord, dueAtMs: number): MediaRecord => ({
  ...record,
  state: MEDIA_STATE_DELETED,
  refusal: MediaRefusal.MEDIA_REFUSAL_UNSPECIFIED,
  mediaType: '',
  sealedName: new Uint8Array(0),
  renditions: [],
  dueAtMs,
});
