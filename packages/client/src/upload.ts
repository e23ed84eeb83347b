import { backoffMs } from './backoff.ts';
import { CaasClientError, toClientError } from './errors.ts';
import type { ClientLimits } from './limits.ts';
import type { Clock } from './ports.ts';
import type { ReplyTo, Requests, Verb } from './wire/commands.ts';
import type { Media, Upload, UploadPart } from './wire/media.ts';

/** What to upload. */
export interface UploadOptions {
  /** Name to show; default: that of a File, else "file". */
  readonly name?: string;
  /** Media type; default: that of a Blob. What it is, the service finds out; what it is not, it refuses. */
  readonly mediaType?: string;
  /** SHA-256 of the bytes, 64 lower-case hex digits, to have it checked. */
  readonly sha256?: string;
  /** Ends the upload; what was sent is dropped. */
  readonly signal?: AbortSignal;
  /** Told after each part how many bytes have arrived. */
  readonly onProgress?: (sentBytes: number, totalBytes: number) => void;
}

export interface UploadDeps {
  readonly command: <V extends Verb>(verb: V, request: Requests[V]) => Promise<ReplyTo<V>>;
  readonly fetch: typeof fetch;
  readonly limits: ClientLimits;
  readonly clock: Clock;
  readonly random: () => number;
}

/**
 * One upload: its parts one after the other, each again after a lost connection or a retryable refusal, those that have arrived
 * not again; then the end of the processing is awaited.
 */
class Uploading {
  readonly #deps: UploadDeps;
  readonly #blob: Blob;
  readonly #options: UploadOptions;
  /** Failures since something arrived last. */
  #failures = 0;

  constructor(deps: UploadDeps, blob: Blob, options: UploadOptions) {
    this.#deps = deps;
    this.#blob = blob;
    this.#options = options;
  }

  async run(name: string): Promise<Media> {
    const { mediaType = this.#blob.type, sha256 = '' } = this.#options;
    const request = { name, mediaType, sizeBytes: this.#blob.size, sha256 };
    const upload = await this.#again(() => this.#deps.command('createUpload', request));
    const mediaId = upload.media?.mediaId ?? '';
    try {
      await this.#send(mediaId, upload);
      return await this.#finish(mediaId);
    } catch (error) {
      if (this.#options.signal?.aborted) void this.#deps.command('abortUpload', { mediaId }).catch(() => undefined);
      throw error;
    }
  }

  async #send(mediaId: string, first: Upload): Promise<void> {
    let upload = first;
    for (;;) {
      const missing = await this.#putAll(upload.parts);
      if (missing === undefined) return;
      await this.#pause(missing);
      // What has arrived stays; what has not gets fresh addresses.
      upload = await this.#again(() => this.#deps.command('getUpload', { mediaId }));
    }
  }

  /** Puts what has not arrived; the error that ended it, or undefined when all is there. */
  async #putAll(parts: readonly UploadPart[]): Promise<CaasClientError | undefined> {
    let at = 0;
    for (const part of parts) {
      const end = at + part.sizeBytes;
      if (!part.arrived) {
        const error = await this.#put(part, this.#blob.slice(at, end));
        if (error) return error;
        this.#failures = 0;
      }
      at = end;
      this.#options.onProgress?.(at, this.#blob.size);
    }
    return undefined;
  }

  async #put({ url, headers }: UploadPart, body: Blob): Promise<CaasClientError | undefined> {
    const { signal } = this.#options;
    try {
      // A body with a type of its own would send that.
      const untyped = new Blob([body]);
      const response = await this.#deps.fetch(url, {
        method: 'PUT',
        headers,
        body: untyped,
        ...(signal && { signal }),
      });
      const text = await response.text();
      return response.ok ? undefined : refusalOf(response, text);
    } catch (cause) {
      signal?.throwIfAborted();
      return toClientError(cause, 'the upload of a part');
    }
  }

  async #finish(mediaId: string): Promise<Media> {
    const { clock, limits } = this.#deps;
    const lateMs = clock.now() + limits.maxProcessingMs;
    let { media } = await this.#again(() => this.#deps.command('completeUpload', { mediaId }));
    while (media?.state === 'PROCESSING') {
      if (clock.now() > lateMs)
        throw new CaasClientError('DEADLINE_EXCEEDED', 'the media is being processed still', {
          details: { media_id: mediaId },
        });
      await this.#wait(limits.processingPollMs);
      ({ media } = await this.#again(() => this.#deps.command('getUpload', { mediaId })));
    }
    if (media?.state === 'COMMITTED') return media;
    throw new CaasClientError('CONTENT_REJECTED', 'the media was refused', {
      details: { media_id: mediaId, refusal: media?.refusal ?? 'UNSPECIFIED' },
    });
  }

  /** A command, repeated while its refusals are retryable. */
  async #again<T>(call: () => Promise<T>): Promise<T> {
    for (;;) {
      this.#options.signal?.throwIfAborted();
      try {
        return await call();
      } catch (error) {
        if (!(error instanceof CaasClientError)) throw error;
        await this.#pause(error);
      }
    }
  }

  /** Waits before what failed is tried again; throws the error where that is pointless. */
  async #pause(error: CaasClientError): Promise<void> {
    const { limits, random } = this.#deps;
    if (!error.retryable || this.#failures >= limits.maxUploadFailures) throw error;
    const bounds = { baseMs: limits.backoffBaseMs, capMs: limits.backoffCapMs };
    await this.#wait(backoffMs(this.#failures, error.retryAfterMs, bounds, random));
    this.#failures += 1;
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.#deps.clock.setTimeout(resolve, ms));
  }
}

/** A refusal over HTTP (RFC 9457). An address that has expired is made anew. */
const refusalOf = ({ status }: Response, text: string): CaasClientError => {
  const problem = problemIn(text);
  return new CaasClientError('UNAVAILABLE', `a part was refused: ${problem.detail ?? `HTTP ${status}`}`, {
    retryable: problem.retryable === true || status === 403 || status >= 500,
    retryAfterMs: problem.retry_after_ms ?? 0,
    traceId: problem.trace_id ?? '',
    details: { status: String(status) },
  });
};

const problemIn = (
  text: string,
): { detail?: string; retryable?: boolean; retry_after_ms?: number; trace_id?: string } => {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
};

/** Uploads bytes and answers the committed media. */
export const uploadMedia = (
  deps: UploadDeps,
  source: Blob | Uint8Array<ArrayBuffer>,
  options: UploadOptions,
): Promise<Media> => {
  const blob = source instanceof Blob ? source : new Blob([source]);
  const named = 'name' in blob && typeof blob.name === 'string' ? blob.name : 'file';
  return new Uploading(deps, blob, options).run(options.name ?? named);
};
