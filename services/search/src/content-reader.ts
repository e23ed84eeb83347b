import type { PlainContent } from '@caas/proto/caas/events/v1/content';
import type { MessageDocument } from '@caas/proto/caas/events/v1/documents';

/**
 * What messages say, in the order of the documents; undefined where there is nothing to read, or not any more. Throws
 * UNAVAILABLE when it can't be told now.
 */
export type ContentReader = (documents: readonly MessageDocument[]) => Promise<(PlainContent | undefined)[]>;

/** Content in the clear. */
export const plainContents: ContentReader = async (documents) =>
  documents.map(({ content }) => (content?.body?.$case === 'plain' ? content.body.value : undefined));
