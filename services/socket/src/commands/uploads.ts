import type { CallOptions } from '@caas/kit/grpc';
import type { Media, UploadPart } from '@caas/proto/caas/media/v1/resources';
import { type Command, type CommandContext, done, type Result } from './command.ts';

/*
 * Uploads are the media service's; a node hands on who asks, and the service's answer or refusal as it is. While the service is
 * away they answer UNAVAILABLE, and nothing else does.
 */

export const callOf = ({ traceparent }: CommandContext): CallOptions => ({ traceparent });

const uploadOf = (media: Media | undefined, parts: UploadPart[] = [], expiresAtMs = 0): Result => ({
  $case: 'upload',
  value: { media, parts, expiresAtMs },
});

/** Begins an upload. */
export const createUpload: Command<'createUpload'> = async (context, request) => {
  const { claims } = context.connection;
  const { media, parts, expiresAtMs } = await context.node.media.createUpload({ claims, ...request }, callOf(context));
  return uploadOf(media, parts, expiresAtMs);
};

/** Tells how far an upload is. */
export const getUpload: Command<'getUpload'> = async (context, { mediaId }) => {
  const { claims } = context.connection;
  const { media, parts, expiresAtMs } = await context.node.media.getUpload({ claims, mediaId }, callOf(context));
  return uploadOf(media, parts, expiresAtMs);
};

/** Ends an upload. */
export const completeUpload: Command<'completeUpload'> = async (context, { mediaId }) => {
  const { claims } = context.connection;
  return uploadOf((await context.node.media.completeUpload({ claims, mediaId }, callOf(context))).media);
};

/** Drops an upload. */
export const abortUpload: Command<'abortUpload'> = async (context, { mediaId }) => {
  const { claims } = context.connection;
  await context.node.media.abortUpload({ claims, mediaId }, callOf(context));
  return done(context);
};
