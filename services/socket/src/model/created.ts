import type { ConversationDocument } from '@caas/proto/caas/events/v1/documents';

/** False for the placeholder by which a worker fences off a conversation that is not created yet (ADR 11). */
export const created = (doc: ConversationDocument | undefined): doc is ConversationDocument =>
  (doc?.membersRev ?? 0) > 0;
