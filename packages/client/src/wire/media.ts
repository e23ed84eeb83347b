import {
  base64,
  dictionary,
  enumeration,
  flag,
  type Kind,
  list,
  type MessageKind,
  message,
  optional,
  text,
  whole,
} from './shape.ts';

/** How far media is. */
export type MediaState = 'UNSPECIFIED' | 'UPLOADING' | 'PROCESSING' | 'COMMITTED' | 'REFUSED' | 'DELETED';
/** What media is, as examined, never as claimed. */
export type MediaKind = 'UNSPECIFIED' | 'IMAGE' | 'VIDEO' | 'AUDIO' | 'FILE';
/** Why media was refused. */
export type MediaRefusal = (typeof refusals)[number];

const states = ['UNSPECIFIED', 'UPLOADING', 'PROCESSING', 'COMMITTED', 'REFUSED', 'DELETED'] as const;
const kinds = ['UNSPECIFIED', 'IMAGE', 'VIDEO', 'AUDIO', 'FILE'] as const;
const refusals = [
  'UNSPECIFIED',
  'EMPTY',
  'TOO_LARGE',
  'TYPE_NOT_ALLOWED',
  'DAMAGED',
  'MALWARE',
  'MISMATCH',
  'PROCESSING_FAILED',
] as const;
export const mediaState: Kind<MediaState> = enumeration('caas.media.v1.MediaState', 'MEDIA_STATE_', states);
export const mediaKind: Kind<MediaKind> = enumeration('caas.media.v1.MediaKind', 'MEDIA_KIND_', kinds);
export const mediaRefusal: Kind<MediaRefusal> = enumeration('caas.media.v1.MediaRefusal', 'MEDIA_REFUSAL_', refusals);

/** A part of an upload and where it goes. */
export interface UploadPart {
  /** 1, 2, 3 …. */
  readonly number: number;
  readonly sizeBytes: number;
  /** Address to PUT the bytes to, with `headers`; empty once it has arrived. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly arrived: boolean;
}
const uploadPart: MessageKind<UploadPart> = message('caas.media.v1.UploadPart', {
  number: whole,
  sizeBytes: whole,
  url: text,
  headers: dictionary,
  arrived: flag,
});

/** A form media is available in. */
export interface Rendition {
  /** "original", "thumbnail", "preview", "poster", "video" or "audio". */
  readonly name: string;
  readonly mediaType: string;
  readonly sizeBytes: number;
  /** In pixels; 0: has none. */
  readonly width: number;
  readonly height: number;
  /** Address to GET it from for a few minutes; empty where none was asked for. */
  readonly url: string;
}
const rendition: MessageKind<Rendition> = message('caas.media.v1.Rendition', {
  name: text,
  mediaType: text,
  sizeBytes: whole,
  width: whole,
  height: whole,
  url: text,
});

/** Media as examined. */
export interface Media {
  readonly mediaId: string;
  /** Who uploaded it. */
  readonly userId: string;
  /** Name as uploaded, made harmless. */
  readonly name: string;
  readonly state: MediaState;
  readonly refusal: MediaRefusal;
  readonly kind: MediaKind;
  readonly mediaType: string;
  /** Size of the upload. */
  readonly sizeBytes: number;
  /** SHA-256 of the upload, 64 lower-case hex digits. */
  readonly sha256: string;
  /** Duration of video or audio, in milliseconds; 0: has none, or the installation can't tell. */
  readonly durationMs: number;
  /** Peaks of audio, 0 to 255 each, in base64; empty: none. */
  readonly waveform: string;
  readonly renditions: readonly Rendition[];
  /** UTC milliseconds since 1970. */
  readonly createdAtMs: number;
  /** Abilities the installation lacks, so that a form is missing. */
  readonly capabilitiesMissing: readonly string[];
}
const media: MessageKind<Media> = message('caas.media.v1.Media', {
  mediaId: text,
  userId: text,
  name: text,
  state: mediaState,
  refusal: mediaRefusal,
  kind: mediaKind,
  mediaType: text,
  sizeBytes: whole,
  sha256: text,
  durationMs: whole,
  waveform: base64,
  renditions: list(rendition),
  createdAtMs: whole,
  capabilitiesMissing: list(text),
});

/** One's own upload. */
export interface Upload {
  readonly media: Media | undefined;
  /** None once it is complete. */
  readonly parts: readonly UploadPart[];
  /** Until when the addresses are good, UTC milliseconds since 1970; 0: there are none. */
  readonly expiresAtMs: number;
}
export const uploadKind: MessageKind<Upload> = message('caas.socket.v1.Upload', {
  media: optional(media),
  parts: list(uploadPart),
  expiresAtMs: whole,
});

/** Media with addresses to download it from. */
export interface MediaAccess {
  readonly media: Media | undefined;
  /** Until when the addresses are good, UTC milliseconds since 1970. */
  readonly expiresAtMs: number;
}
export const mediaAccessKind: MessageKind<MediaAccess> = message('caas.socket.v1.MediaAccess', {
  media: optional(media),
  expiresAtMs: whole,
});
