import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { CaasError, fail } from '@caas/kit';
import { assertKey, assertListed, assertPrefix } from './keys.ts';
import { type ByteRange, type ListedObject, maxListed, type ObjectBody, type ObjectStore } from './port.ts';
import { bodyOf, sized, WrongSize } from './s3/bodies.ts';
import { away, isAbsent, type S3Options, s3Client } from './s3/client.ts';
import { commandMs, openMs } from './s3/limits.ts';

export type { S3Options } from './s3/client.ts';

class S3ObjectStore implements ObjectStore {
  readonly #client: S3Client;
  readonly #bucket: string;

  constructor(client: S3Client, bucket: string) {
    this.#client = client;
    this.#bucket = bucket;
  }

  /** What was deleted from a bucket with versions is still there: no erasure would be true. */
  async prepare(): Promise<void> {
    const input = new GetBucketVersioningCommand({ Bucket: this.#bucket });
    const { Status } = await this.#client.send(input, { abortSignal: AbortSignal.timeout(openMs) }).catch(away);
    if (Status !== undefined)
      fail('FAILED_PRECONDITION', `the bucket ${this.#bucket} keeps versions, so that nothing deleted would be gone`);
  }

  async put(key: string, source: AsyncIterable<Uint8Array>, sizeBytes: number): Promise<'put' | 'size'> {
    assertKey(key);
    const { body, signal, end } = sized(source, sizeBytes);
    try {
      const input = { Bucket: this.#bucket, Key: key, Body: body, ContentLength: sizeBytes };
      await this.#client.send(new PutObjectCommand(input), { abortSignal: signal });
      return 'put';
    } catch (error) {
      // Why the source ended says more than that the request did.
      const cause = body.errored ?? error;
      if (cause instanceof WrongSize) return 'size';
      return body.errored === null ? away(error) : Promise.reject(cause);
    } finally {
      end();
    }
  }

  async get(key: string, range?: ByteRange): Promise<ObjectBody | undefined> {
    assertKey(key);
    const input = { Bucket: this.#bucket, Key: key, ...(range && { Range: `bytes=${range.from}-${range.to - 1}` }) };
    const opening = new AbortController();
    const late = setTimeout(() => opening.abort(), commandMs);
    try {
      const answer = await this.#client.send(new GetObjectCommand(input), { abortSignal: opening.signal });
      const whole = answer.ContentRange?.split('/')[1];
      return { sizeBytes: Number(whole ?? answer.ContentLength), body: bodyOf(answer.Body) };
    } catch (error) {
      return isAbsent(error) ? undefined : away(error);
    } finally {
      clearTimeout(late);
    }
  }

  async head(key: string): Promise<number | undefined> {
    assertKey(key);
    try {
      return (await this.#send(new HeadObjectCommand({ Bucket: this.#bucket, Key: key }))).ContentLength;
    } catch (error) {
      return isAbsent(error) ? undefined : away(error);
    }
  }

  async delete(key: string): Promise<void> {
    assertKey(key);
    await this.#send(new DeleteObjectCommand({ Bucket: this.#bucket, Key: key })).catch((error: unknown) =>
      isAbsent(error) ? undefined : away(error),
    );
  }

  async deletePrefix(prefix: string): Promise<number> {
    assertPrefix(prefix);
    for (let count = 0; ; ) {
      const page = await this.list(prefix, '', maxListed);
      if (page.length === 0) return count;
      const Delete = { Objects: page.map(({ key }) => ({ Key: key })), Quiet: true };
      const { Errors = [] } = await this.#send(new DeleteObjectsCommand({ Bucket: this.#bucket, Delete })).catch(away);
      const [failed] = Errors;
      if (failed) away(Object.assign(new Error('an object was not deleted'), { name: failed.Code }));
      count += page.length;
    }
  }

  async list(prefix: string, afterKey: string, limit: number): Promise<ListedObject[]> {
    assertPrefix(prefix);
    assertListed(limit);
    if (limit === 0) return [];
    const after = afterKey === '' ? {} : { StartAfter: afterKey };
    const input = { Bucket: this.#bucket, Prefix: prefix, MaxKeys: limit, ...after };
    const { Contents = [] } = await this.#send(new ListObjectsV2Command(input)).catch(away);
    return Contents.map(({ Key = '', Size = 0 }) => ({ key: Key, sizeBytes: Size }));
  }

  close(): Promise<void> {
    this.#client.destroy();
    return Promise.resolve();
  }

  /** A command that is answered at once, or not at all. */
  readonly #send: S3Client['send'] = (command: Parameters<S3Client['send']>[0]) =>
    this.#client.send(command, { abortSignal: AbortSignal.timeout(commandMs) }) as never;
}

/**
 * Objects in a bucket of S3, or of what speaks its API; any number of processes. Rejects UNAVAILABLE when it can't be used, and
 * FAILED_PRECONDITION when the bucket keeps versions.
 */
export const openS3ObjectStore = async (options: S3Options): Promise<ObjectStore> => {
  const store = new S3ObjectStore(s3Client(options), options.bucket);
  try {
    await store.prepare();
  } catch (error) {
    await store.close();
    throw error instanceof CaasError ? error : away(error);
  }
  return store;
};
