import {
  type ContentPlace,
  encodeContent,
  type HeldKey,
  type KeyRing,
  readContents,
  readHeldContents,
  type StandingContent,
  sealBytes,
  sealContent,
} from '@caas/compliance-client/keys';
import { CaasError, fail } from '@caas/kit';
import type { MessageContent, PlainContent, SealedContent } from '@caas/proto/caas/events/v1/content';
import { asRead } from '../model/readable.ts';

/** What new content is written with: its author's key, or nothing where content is kept in the clear. */
export type ContentKey = HeldKey | 'plain';

/** Content of a send that is sealed: for the log, and encoded in the clear for other nodes. */
export interface SealedForSend {
  sealed: SealedContent;
  plain: Uint8Array;
}

const isSealed = ({ content }: StandingContent): boolean => content?.body?.$case === 'sealed';

/**
 * What messages say, on its way to where it is kept and back: sealed under its author's key before the log has it, read for
 * members wherever it leaves the node. What was read and is still sealed is unreadable for good.
 */
export class Contents {
  readonly #ring: KeyRing;
  readonly #sealing: boolean;

  constructor(ring: KeyRing, sealing: boolean) {
    this.#ring = ring;
    this.#sealing = sealing;
  }

  /** The user may write soon: the key is fetched, so that a send need not wait for it. */
  expect(tenantId: string, userId: string): void {
    if (this.#sealing) this.#ring.current(tenantId, userId).catch(() => undefined); // told to the send that needs it
  }

  /** What the user writes with, when that is in hand. */
  keyInHand(tenantId: string, userId: string): ContentKey | undefined {
    return this.#sealing ? this.#ring.held(tenantId, userId) : 'plain';
  }

  /** The same, fetched. Rejects UNAVAILABLE when it can't be, USER_DEACTIVATED when the user's data was erased. */
  async key(tenantId: string, userId: string): Promise<ContentKey> {
    if (!this.#sealing) return 'plain';
    const key = await this.#ring.current(tenantId, userId);
    return key === 'destroyed' ? fail('USER_DEACTIVATED', 'the data of this user was erased') : key;
  }

  /** Content as it is kept. */
  written(key: ContentKey, content: PlainContent, place: ContentPlace): MessageContent {
    if (key === 'plain') return { body: { $case: 'plain', value: content } };
    return { body: { $case: 'sealed', value: sealContent(key, content, place) } };
  }

  /** The same of a send; undefined where it is kept in the clear. */
  sealedForSend(key: ContentKey, content: PlainContent, place: ContentPlace): SealedForSend | undefined {
    if (key === 'plain') return undefined;
    const plain = encodeContent(content);
    return { sealed: sealBytes(key, plain, place), plain };
  }

  /** What is kept, with its content read; undefined when a key for that has to be fetched. */
  readNow<D extends StandingContent>(kept: readonly D[]): readonly D[] | undefined {
    if (!kept.some(isSealed)) return kept;
    const read = readHeldContents(this.#ring, kept);
    return read && kept.map((each, i) => ({ ...each, content: asRead(each.content, read[i]) }));
  }

  /** The same, with keys fetched, all in one call; HISTORY_UNAVAILABLE when that can't be done now. */
  async read<D extends StandingContent>(kept: readonly D[]): Promise<readonly D[]> {
    const now = this.readNow(kept);
    if (now) return now;
    const read = await readContents(this.#ring, kept).catch((cause: unknown) => {
      if (!(cause instanceof CaasError) || !cause.retryable) throw cause;
      return fail('HISTORY_UNAVAILABLE', 'the keys of what was said are not at hand', { cause });
    });
    return kept.map((each, i) => ({ ...each, content: asRead(each.content, read[i]) }));
  }
}
