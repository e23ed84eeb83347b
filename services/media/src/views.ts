import type { MediaRecord } from '@caas/media-store';
import type { Media, Rendition } from '@caas/proto/caas/media/v1/resources';
import type { MediaCore } from './core.ts';
import { namePlace } from './model.ts';

type UrlOf = (record: MediaRecord, rendition: string) => string;

const viewOf = (record: MediaRecord, name: string, urlOf: UrlOf): Media => ({
  mediaId: record.mediaId,
  userId: record.userId,
  name,
  state: record.state,
  refusal: record.refusal,
  kind: record.kind,
  mediaType: record.mediaType,
  sizeBytes: record.sizeBytes,
  sha256: record.sha256,
  durationMs: 0,
  waveform: Buffer.alloc(0),
  renditions: record.renditions.map((rendition): Rendition => ({ ...rendition, url: urlOf(record, rendition.name) })),
  createdAtMs: record.createdAtMs,
  capabilitiesMissing: record.capabilitiesMissing,
});

/** Records of a tenant as they are told, without addresses unless `urlOf` makes them. */
export const mediaViews = async (
  { sealed }: Pick<MediaCore, 'sealed'>,
  tenantId: string,
  records: readonly MediaRecord[],
  urlOf: UrlOf = () => '',
): Promise<Media[]> => {
  const names = await sealed.openTexts(
    tenantId,
    records.map((record) => ({ place: namePlace(record), sealed: record.sealedName })),
  );
  return records.map((record, i) => viewOf(record, names[i] ?? '', urlOf));
};

export const mediaView = async (
  core: Pick<MediaCore, 'sealed'>,
  record: MediaRecord,
  urlOf?: UrlOf,
): Promise<Media | undefined> => (await mediaViews(core, record.tenantId, [record], urlOf))[0];
