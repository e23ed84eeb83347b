import { isPartitionOf, positionOf, Topic } from '@caas/event-log';

/**
 * Position up to which a conversation's sends are decided: that of the last message, or of a later record that became
 * none. `offsets` are those applied, by "topic-partition"; a conversation's sends are in one partition.
 */
export const decidedPositionOf = (lastPosition: number, offsets: Readonly<Record<string, number>>): number => {
  let decided = lastPosition;
  for (const name in offsets)
    if (isPartitionOf(Topic.messageSent, name)) decided = Math.max(decided, positionOf(offsets[name] as number));
  return decided;
};
