import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { CaasError, fail, newId } from '@caas/kit';
import type { MediaRecord, RenditionRecord } from '@caas/media-store';
import { MediaKind, MediaRefusal } from '@caas/proto/caas/media/v1/resources';
import type { MediaCore } from '../core.ts';
import { jobLeaseMs, jobRetryMs, maxJobAttempts, maxWaitingJobs, quarantineMs, sweepAfterMs } from '../limits.ts';
import {
  extensionOf,
  MEDIA_STATE_COMMITTED,
  namePlace,
  partKey,
  partSizes,
  partsPrefix,
  quarantineKey,
  refused,
  renditionKey,
  renditionsPrefix,
} from '../model.ts';
import type { Scanner } from '../scan/port.ts';
import type { Examination } from './examiner-messages.ts';
import type { ExaminerPool } from './examiner-pool.ts';

const kinds = {
  image: MediaKind.MEDIA_KIND_IMAGE,
  video: MediaKind.MEDIA_KIND_VIDEO,
  audio: MediaKind.MEDIA_KIND_AUDIO,
  file: MediaKind.MEDIA_KIND_FILE,
} as const;

const refusals = {
  'not allowed': MediaRefusal.MEDIA_REFUSAL_TYPE_NOT_ALLOWED,
  'too large': MediaRefusal.MEDIA_REFUSAL_TOO_LARGE,
  damaged: MediaRefusal.MEDIA_REFUSAL_DAMAGED,
  failed: MediaRefusal.MEDIA_REFUSAL_PROCESSING_FAILED,
} as const;

/** What no installation of this version does, by kind: told with the media it would have been done to. */
const missing = { image: [], video: ['video'], audio: ['audio'], file: [] } as const;

/** What a job found: the media as it is from now on, or why there is none. */
type Outcome = Partial<MediaRecord> | MediaRefusal;

/** By when the bytes of a refused one are swept. */
const sweptAfterMs = (refusal: MediaRefusal): number =>
  refusal === MediaRefusal.MEDIA_REFUSAL_MALWARE ? quarantineMs : sweepAfterMs;

export interface ProcessingOptions {
  pool: ExaminerPool;
  /** Undefined: nothing is scanned. */
  scanner?: Scanner | undefined;
  /** Jobs at a time. */
  maxJobs: number;
  /** Folder for the files of jobs under way; emptied at the start, so one process's own. */
  workDir: string;
}

/** Examines uploads that are complete, seals what may be handed out, and ends their records' PROCESSING. */
export class Processing {
  readonly #core: MediaCore;
  readonly #options: ProcessingOptions;
  /** By tenant and id: jobs of this process, and when each ends. */
  readonly #jobs = new Map<string, Promise<void>>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #closed = false;

  constructor(core: MediaCore, options: ProcessingOptions) {
    this.#core = core;
    this.#options = options;
  }

  /** What a process before left in the clear is removed. */
  async prepare(): Promise<void> {
    await rm(this.#options.workDir, { recursive: true, force: true });
    await mkdir(this.#options.workDir, { recursive: true, mode: 0o700 });
  }

  assertRoom(): void {
    if (this.#jobs.size >= maxWaitingJobs || this.#closed)
      fail('OVERLOADED', 'too many uploads wait to be processed', {
        details: { limit: 'maxWaitingJobs', value: String(maxWaitingJobs), unit: 'uploads' },
      });
  }

  /** Begins the job of media in PROCESSING, or joins it; resolves when it has ended, however it has, or after `maxWaitMs`. */
  async process(record: MediaRecord, maxWaitMs = 0): Promise<void> {
    const name = nameOf(record);
    if (!this.#jobs.has(name)) {
      const job = this.#run(record)
        .catch((err: unknown) => {
          // The lease ends, and it is begun again.
          this.#core.logger.warn({ err, media_id: record.mediaId }, 'media could not be processed now');
        })
        .finally(() => this.#jobs.delete(name));
      this.#jobs.set(name, job);
    }
    await this.joined(record, maxWaitMs);
  }

  /** Waits for the end of a job of this process, or `maxWaitMs`; not at all where the job is another's. */
  async joined(record: MediaRecord, maxWaitMs: number): Promise<void> {
    const job = this.#jobs.get(nameOf(record));
    if (job && maxWaitMs > 0) await Promise.race([job, wait(maxWaitMs, undefined, { ref: false })]);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const next of this.#waiting.splice(0)) next();
    await this.#options.pool.close();
    await Promise.all(this.#jobs.values());
    await rm(this.#options.workDir, { recursive: true, force: true });
  }

  async #run(given: MediaRecord): Promise<void> {
    if (this.#running >= this.#options.maxJobs) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running += 1;
    try {
      if (!this.#closed) await this.#takeAndDo(given);
    } finally {
      this.#running -= 1;
      this.#waiting.shift()?.();
    }
  }

  /** One process has a job, for the time of its lease; whose compare-and-set fails leaves it to the other. */
  async #takeAndDo(given: MediaRecord): Promise<void> {
    const { store, clock } = this.#core;
    const taken = { ...given, attempts: given.attempts + 1, dueAtMs: clock.now() + jobLeaseMs };
    if (!(await store.replace(taken))) return;
    const record = { ...taken, rev: given.rev + 1 };
    const outcome = await this.#outcomeOf(record).catch(async (error: unknown) => {
      await this.#giveBack(record, clock.now() + jobRetryMs);
      throw error;
    });
    // Its process was ended because all is.
    if (this.#closed && outcome === MediaRefusal.MEDIA_REFUSAL_PROCESSING_FAILED)
      return this.#giveBack(record, clock.now());
    const dueAtMs = clock.now() + (typeof outcome === 'number' ? sweptAfterMs(outcome) : sweepAfterMs);
    const next =
      typeof outcome === 'number'
        ? refused(record, outcome, dueAtMs)
        : { ...record, ...outcome, state: MEDIA_STATE_COMMITTED, dueAtMs };
    if (await store.replace(next)) {
      await this.#core.objects.deletePrefix(partsPrefix(record));
      if (typeof outcome === 'number') await this.#core.objects.deletePrefix(renditionsPrefix(record));
    } else await this.#undo(record);
  }

  /** For whoever comes next, as if it had not been begun: what is away now is no fault of the file's. */
  async #giveBack(record: MediaRecord, dueAtMs: number): Promise<void> {
    await this.#core.store.replace({ ...record, attempts: record.attempts - 1, dueAtMs });
  }

  /** It was deleted meanwhile, or another process has it: then its objects are that one's. */
  async #undo(record: MediaRecord): Promise<void> {
    const now = await this.#core.find(record.tenantId, record.mediaId);
    if (!now) await this.#core.objects.deletePrefix(renditionsPrefix(record));
  }

  async #outcomeOf(record: MediaRecord): Promise<Outcome> {
    if (record.attempts > maxJobAttempts) return MediaRefusal.MEDIA_REFUSAL_PROCESSING_FAILED;
    const folder = join(this.#options.workDir, newId());
    await mkdir(folder, { mode: 0o700 });
    try {
      const file = join(folder, 'upload');
      const sha256 = await this.#assemble(record, file);
      if (sha256 === undefined || (record.sha256 !== '' && record.sha256 !== sha256))
        return MediaRefusal.MEDIA_REFUSAL_MISMATCH;
      const scanned = await this.#scanned(record, file);
      if (scanned !== undefined) return scanned;
      const [name = ''] = await this.#core.sealed.openTexts(record.tenantId, [
        { place: namePlace(record), sealed: record.sealedName },
      ]);
      const claim = { mediaType: record.mediaType, extension: extensionOf(name) };
      const examination = await this.#options.pool.examine({ file, folder, claim });
      if (examination.outcome === 'refused') return refusals[examination.why];
      return { ...(await this.#kept(record, examination, file)), sha256 };
    } catch (error) {
      // Its owner's data was erased: there is nobody to keep it for.
      if (error instanceof CaasError && error.reason === 'USER_DEACTIVATED')
        return MediaRefusal.MEDIA_REFUSAL_PROCESSING_FAILED;
      throw error;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** Why it may not be kept; undefined: it may. What something was found in is sealed apart, before anything opens it. */
  async #scanned(record: MediaRecord, file: string): Promise<MediaRefusal | undefined> {
    const verdict = (await this.#options.scanner?.scan(file)) ?? 'clean';
    if (verdict === 'clean') return undefined;
    if (verdict === 'not scanned') return MediaRefusal.MEDIA_REFUSAL_TOO_LARGE;
    const { tenantId, mediaId } = record;
    this.#core.logger.warn({ tenant_id: tenantId, media_id: mediaId, signature: verdict.found }, 'malware was found');
    await this.#core.sealed.put(record, quarantineKey(record), createReadStream(file), record.sizeBytes);
    return MediaRefusal.MEDIA_REFUSAL_MALWARE;
  }

  /** Joins the parts in a file and answers its hash; undefined when they are not what was announced. */
  async #assemble(record: MediaRecord, file: string): Promise<string | undefined> {
    const hash = createHash('sha256');
    const { sealed } = this.#core;
    async function* parts(): AsyncGenerator<Uint8Array> {
      for (const [i, sizeBytes] of partSizes(record.sizeBytes).entries()) {
        const part = await sealed.get(record.tenantId, partKey(record, i + 1));
        if (part === 'destroyed') fail('USER_DEACTIVATED', 'the data of this user was erased');
        else if (part?.sizeBytes !== sizeBytes) throw new PartMissing();
        else
          for await (const bytes of part.body) {
            hash.update(bytes);
            yield bytes;
          }
      }
    }
    try {
      await pipeline(parts, createWriteStream(file, { mode: 0o600 }));
    } catch (error) {
      if (error instanceof PartMissing) return undefined;
      throw error;
    }
    return hash.digest('hex');
  }

  async #kept(
    record: MediaRecord,
    { kind, mediaType, renditions }: Extract<Examination, { outcome: 'fit' }>,
    file: string,
  ): Promise<Partial<MediaRecord>> {
    const whole = { name: 'original', file, mediaType, sizeBytes: record.sizeBytes, width: 0, height: 0 };
    const made = renditions.length > 0 ? renditions : [whole];
    const kept: RenditionRecord[] = [];
    for (const { file: from, ...rendition } of made) {
      const source = createReadStream(from);
      const put = await this.#core.sealed.put(
        record,
        renditionKey(record, rendition.name),
        source,
        rendition.sizeBytes,
      );
      if (put !== 'put') throw new CaasError('INTERNAL', 'a file of a job has changed');
      kept.push(rendition);
    }
    return {
      kind: kinds[kind],
      mediaType,
      renditions: kept,
      capabilitiesMissing: [...(this.#options.scanner ? [] : ['scan']), ...missing[kind]],
    };
  }
}

class PartMissing extends Error {}

const nameOf = ({ tenantId, mediaId }: MediaRecord): string => `${tenantId}\0${mediaId}`;
