import { type Clock, fail, type Logger } from '@caas/kit';
import type { MediaRecord, MediaStore } from '@caas/media-store';
import type { ObjectStore } from '@caas/object-store';
import type { UploadPart } from '@caas/proto/caas/media/v1/resources';
import { plainBytesIn } from './cipher/sealed-format.ts';
import { type DataKeys, SealedObjects } from './cipher/sealed-objects.ts';
import type { MediaConfig } from './config.ts';
import type { SignedUrls } from './http/signed-urls.ts';
import type { Processing } from './jobs/processing.ts';
import { partUrlMs, renditionUrlMs } from './limits.ts';
import { MEDIA_STATE_DELETED, partKey, partSizes, partsPrefix } from './model.ts';
import { Quota } from './quota.ts';

export interface CorePorts {
  store: MediaStore;
  objects: ObjectStore;
  keys: DataKeys;
  /** Makes and takes addresses, once the service has its own. */
  urls: () => SignedUrls;
  config: Pick<MediaConfig, 'maxUploadBytes' | 'maxTenantBytes' | 'allowedOrigins'>;
  clock: Clock;
  logger: Logger;
}

/** What the commands share. */
export class MediaCore {
  readonly store: MediaStore;
  readonly objects: ObjectStore;
  readonly sealed: SealedObjects;
  readonly quota = new Quota();
  readonly config: CorePorts['config'];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly #urls: () => SignedUrls;
  readonly #processing: () => Processing;

  constructor(ports: CorePorts, processing: () => Processing) {
    this.store = ports.store;
    this.objects = ports.objects;
    this.sealed = new SealedObjects(ports.objects, ports.keys);
    this.#urls = ports.urls;
    this.config = ports.config;
    this.clock = ports.clock;
    this.logger = ports.logger;
    this.#processing = processing;
  }

  get urls(): SignedUrls {
    return this.#urls();
  }

  get processing(): Processing {
    return this.#processing();
  }

  async find(tenantId: string, mediaId: string): Promise<MediaRecord | undefined> {
    const [record] = await this.store.getMany(tenantId, [mediaId]);
    return record?.state === MEDIA_STATE_DELETED ? undefined : record;
  }

  /** The user's own upload; NOT_FOUND for any other's. */
  async own({ tenantId, userId }: { tenantId: string; userId: string }, mediaId: string): Promise<MediaRecord> {
    const record = await this.find(tenantId, mediaId);
    return record?.userId === userId ? record : fail('NOT_FOUND', 'no such upload');
  }

  /** Numbers of the parts that have arrived. */
  async arrived(record: MediaRecord): Promise<Set<number>> {
    const sizes = partSizes(record.sizeBytes);
    const found = await this.objects.list(partsPrefix(record), '', sizes.length);
    const stored = new Map(found.map(({ key, sizeBytes }) => [key, plainBytesIn(sizeBytes)]));
    const numbers = sizes.map((_, i) => i + 1);
    return new Set(numbers.filter((number) => stored.get(partKey(record, number)) === sizes[number - 1]));
  }

  /** The parts of an upload, with addresses for those still to come. */
  parts(record: MediaRecord, arrived: ReadonlySet<number>): { parts: UploadPart[]; expiresAtMs: number } {
    const expiresAtMs = this.clock.now() + partUrlMs;
    const { tenantId, mediaId } = record;
    const parts = partSizes(record.sizeBytes).map((sizeBytes, i): UploadPart => {
      const number = i + 1;
      const grant = { act: 'put part', tenantId, mediaId, what: String(number), sizeBytes, expiresAtMs } as const;
      if (arrived.has(number)) return { number, sizeBytes, url: '', headers: {}, arrived: true };
      const headers = { 'content-type': 'application/octet-stream' };
      return { number, sizeBytes, url: this.urls.urlOf(grant), headers, arrived: false };
    });
    return { parts, expiresAtMs };
  }

  /** Addresses of renditions, for who may have them. */
  renditionUrls(): { urlOf: (record: MediaRecord, rendition: string) => string; expiresAtMs: number } {
    const expiresAtMs = this.clock.now() + renditionUrlMs;
    return {
      expiresAtMs,
      urlOf: ({ tenantId, mediaId }, what) =>
        this.urls.urlOf({ act: 'get rendition', tenantId, mediaId, what, sizeBytes: 0, expiresAtMs }),
    };
  }
}
