import { Readable } from 'node:stream';
import type { KeyRing } from '@caas/compliance-client/keys';
import { CaasError, fail } from '@caas/kit';
import type { ByteRange, ObjectStore } from '@caas/object-store';
import { headBytes, opening, plainBytesIn, readHead, sealedBytes, sealedRange, sealing } from './sealed-format.ts';

/** Where the data keys of users come from. */
export type DataKeys = Pick<KeyRing, 'current' | 'open'>;

export interface PlainBody {
  /** Size of the whole, in bytes. */
  sizeBytes: number;
  /** What was asked for. Whoever does not read to the end destroys it. */
  body: Readable;
}

/** Objects as they lie in the store: each sealed under a data key of its owner, and gone for good with that. */
export class SealedObjects {
  readonly #objects: ObjectStore;
  readonly #keys: DataKeys;

  constructor(objects: ObjectStore, keys: DataKeys) {
    this.#objects = objects;
    this.#keys = keys;
  }

  /** Puts an object of `sizeBytes`. Rejects USER_DEACTIVATED when the owner's data was erased, UNAVAILABLE without a key or store. */
  async put(
    owner: { tenantId: string; userId: string },
    key: string,
    source: AsyncIterable<Uint8Array>,
    sizeBytes: number,
  ): Promise<'put' | 'size'> {
    const secret = await this.#keyOf(owner);
    return this.#objects.put(key, sealing(secret, key, source), sealedBytes(sizeBytes));
  }

  /** Reads an object, or a range of it; 'destroyed' when its key is. */
  async get(tenantId: string, key: string, range?: ByteRange): Promise<PlainBody | 'destroyed' | undefined> {
    const head = await this.#objects.get(key, { from: 0, to: headBytes });
    if (!head) return undefined;
    const { keyId, salt } = readHead(Buffer.concat(await head.body.toArray()));
    const secret = (await this.#keys.open(tenantId, [keyId])).get(keyId);
    if (secret === 'destroyed') return 'destroyed';
    if (secret === undefined || secret === 'unknown')
      throw new CaasError('INTERNAL', 'sealed under a key nobody knows');
    const sizeBytes = plainBytesIn(head.sizeBytes);
    const { from, to } = range ?? { from: 0, to: sizeBytes };
    const sealed = await this.#objects.get(key, sealedRange(sizeBytes, from, to));
    if (!sealed) return undefined;
    // Another one was put between: its salt is another one too.
    if (sealed.sizeBytes !== head.sizeBytes)
      sealed.body.destroy(new CaasError('UNAVAILABLE', 'the object was replaced'));
    const body = opening(secret, key, { keyId, salt }, { bytes: sizeBytes, from, to }, sealed.body);
    return { sizeBytes, body: Readable.from(body, { objectMode: false }) };
  }

  /** Seals a text that is kept elsewhere. */
  async sealText(owner: { tenantId: string; userId: string }, place: string, text: string): Promise<Buffer> {
    const secret = await this.#keyOf(owner);
    return Buffer.concat(await Readable.from(sealing(secret, place, Readable.from([Buffer.from(text)]))).toArray());
  }

  /** The texts again; '' for those that are destroyed. */
  async openTexts(tenantId: string, texts: readonly { place: string; sealed: Uint8Array }[]): Promise<string[]> {
    const parts = texts.map(({ place, sealed }) => ({ place, bytes: Buffer.from(sealed) }));
    const heads = parts.map(({ bytes }) =>
      bytes.length > headBytes ? readHead(bytes.subarray(0, headBytes)) : undefined,
    );
    const keys = await this.#keys.open(tenantId, new Set(heads.flatMap((head) => (head ? [head.keyId] : []))));
    return Promise.all(
      parts.map(async ({ place, bytes }, i) => {
        const head = heads[i];
        const secret = head && keys.get(head.keyId);
        if (!head || secret === undefined || typeof secret === 'string') return '';
        const plain = { bytes: plainBytesIn(bytes.length), from: 0, to: plainBytesIn(bytes.length) };
        const opened = opening(secret, place, head, plain, Readable.from([bytes.subarray(headBytes)]));
        return Buffer.concat(await Readable.from(opened).toArray()).toString();
      }),
    );
  }

  async #keyOf({ tenantId, userId }: { tenantId: string; userId: string }) {
    const key = await this.#keys.current(tenantId, userId);
    return key === 'destroyed' ? fail('USER_DEACTIVATED', 'the data of this user was erased') : key;
  }
}
