import { type KeyRing, readContents } from '@caas/compliance-client/keys';
import type { PlainContent } from '@caas/proto/caas/events/v1/content';
import type { MessageDocument } from '@caas/proto/caas/events/v1/documents';

/**
 * What messages say, in the order of the documents; undefined where there is nothing to read, or not any more. Throws
 * UNAVAILABLE when it can't be told now.
 */
export type ContentReader = (documents: readonly MessageDocument[]) => Promise<(PlainContent | undefined)[]>;

/** Content in the clear, and what is sealed under keys that are not destroyed: those not in hand are asked for in one call. */
export const readerWith =
  (ring: KeyRing): ContentReader =>
  async (documents) => {
    const read = await readContents(ring, documents);
    return read.map((content) => (content === 'unreadable' ? undefined : content));
  };
