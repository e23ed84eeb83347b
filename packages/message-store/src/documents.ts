import { ParticipantState } from '@caas/proto/caas/events/v1/content';
import type { ConversationDocument, ParticipantDocument } from '@caas/proto/caas/events/v1/documents';

/** False for the placeholder by which a worker fences off a conversation that is not created yet (ADR 11). */
export const created = (document: ConversationDocument | undefined): document is ConversationDocument =>
  (document?.membersRev ?? 0) > 0;

/** Whether the user is in the conversation. */
export const isActive = (document: ParticipantDocument | undefined): document is ParticipantDocument =>
  document?.state === ParticipantState.PARTICIPANT_STATE_ACTIVE;
