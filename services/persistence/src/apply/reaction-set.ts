import { positionOf } from '@caas/event-log';
import type { ReactionRecord } from '@caas/proto/caas/events/v1/documents';
import type { ReactionSet } from '@caas/proto/caas/events/v1/user_action';
import type { Draft } from './draft.ts';
import { maxReactionKinds, maxReactionUsers } from './limits.ts';
import type { EventRecord } from './model.ts';

/** The reactions with one more user; undefined when it is there already or past a limit. */
const added = (
  reactions: readonly ReactionRecord[],
  { kind, maxKinds }: ReactionSet,
  userId: string,
): ReactionRecord[] | undefined => {
  const users = reactions.reduce((sum, reaction) => sum + reaction.userIds.length, 0);
  const found = reactions.find((reaction) => reaction.kind === kind);
  if (found?.userIds.includes(userId) || users >= maxReactionUsers) return undefined;
  const most = maxKinds > 0 ? Math.min(maxKinds, maxReactionKinds) : maxReactionKinds;
  if (!found) return reactions.length >= most ? undefined : [...reactions, { kind, userIds: [userId] }];
  return reactions.map((reaction) => (reaction === found ? { kind, userIds: [...found.userIds, userId] } : reaction));
};

const removed = (
  reactions: readonly ReactionRecord[],
  { kind }: ReactionSet,
  userId: string,
): ReactionRecord[] | undefined => {
  const found = reactions.find((reaction) => reaction.kind === kind);
  if (!found?.userIds.includes(userId)) return undefined;
  return reactions
    .map((reaction) => (reaction === found ? { kind, userIds: found.userIds.filter((id) => id !== userId) } : reaction))
    .filter((reaction) => reaction.userIds.length > 0);
};

/**
 * Sets or takes back a user's reaction. Past a limit the act is dropped: nodes refuse it with LIMIT_EXCEEDED, so only acts
 * of the same moment get here. A document that is ahead, written by an attempt that never committed, holds the outcome of
 * every act up to its own: what was dropped, too, and in which order kinds and users came.
 */
export const applyReactionSet = (draft: Draft, set: ReactionSet, userId: string, { offset }: EventRecord): void => {
  const reactionPosition = positionOf(offset);
  draft.changeMessage(set.messageId, (document) => {
    if (document.deletedAtMs > 0 || reactionPosition <= document.reactionPosition) return undefined;
    const reactions = (set.present ? added : removed)(document.reactions, set, userId);
    return reactions && { ...document, reactions, reactionPosition };
  });
};
