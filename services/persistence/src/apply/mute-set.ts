import type { MuteSet } from '@caas/proto/caas/events/v1/user_action';
import type { Draft } from './draft.ts';

/** Mutes or unmutes a conversation for a member. */
export const applyMuteSet = (draft: Draft, { mutedUntilMs }: MuteSet, userId: string): void =>
  draft.changeMember(userId, (document) =>
    document.mutedUntilMs === mutedUntilMs ? undefined : { ...document, mutedUntilMs },
  );
