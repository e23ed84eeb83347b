import { fail } from '@caas/kit';
import type { Attachment, PlainContent } from '@caas/proto/caas/events/v1/content';
import type { CommandContext } from './command.ts';
import { callOf } from './uploads.ts';

/**
 * Content whose attachments are what media says they are: name, type and size are the media service's, never the client's. What
 * the message has already stays as it was; anything else must be committed media of the user's own.
 */
export const withAttachments = async (
  context: CommandContext,
  content: PlainContent,
  had: readonly Attachment[] = [],
): Promise<PlainContent> => {
  const { claims } = context.connection;
  const known = new Map(had.map((each) => [each.mediaId, each]));
  const mediaIds = [...new Set(content.attachments.map(({ mediaId }) => mediaId))].filter((id) => !known.has(id));
  if (mediaIds.length > 0) {
    const { media } = await context.node.media.resolveAttachments({ claims, mediaIds }, callOf(context));
    for (const { mediaId, name, mediaType, sizeBytes } of media)
      known.set(mediaId, { mediaId, name, mediaType, sizeBytes });
  }
  const attachments = content.attachments.map(
    ({ mediaId }) =>
      known.get(mediaId) ??
      fail('NOT_FOUND', 'an attachment is no media of yours that may be attached', {
        details: { field: 'content.attachments', media_id: mediaId },
      }),
  );
  return { ...content, attachments };
};
