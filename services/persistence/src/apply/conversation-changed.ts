import type { ConversationArchived, ConversationMetaChanged } from '@caas/proto/caas/events/v1/conversation_events';
import type { Draft } from './draft.ts';

const sameMap = (a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean => {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
};

/** Changes title, picture or metadata; absent ones stay. */
export const applyMetaChanged = (draft: Draft, change: ConversationMetaChanged): void => {
  const { conversation } = draft;
  const title = change.title ?? conversation.title;
  const avatarUrl = change.avatarUrl ?? conversation.avatarUrl;
  const metadata = change.replaceMetadata ? change.metadata : conversation.metadata;
  const { title: oldTitle, avatarUrl: oldAvatarUrl } = conversation;
  if (title === oldTitle && avatarUrl === oldAvatarUrl && sameMap(metadata, conversation.metadata)) return;
  Object.assign(conversation, { title, avatarUrl, metadata, metaRev: draft.nextRev() });
};

/** Archives or opens again. Messages accepted before stay welcome: acceptance is judged once, by the node. */
export const applyArchived = (draft: Draft, { archived }: ConversationArchived, acceptedAtMs: number): void => {
  const { conversation } = draft;
  if (archived === conversation.archivedAtMs > 0) return;
  conversation.archivedAtMs = archived ? Math.max(1, acceptedAtMs) : 0;
  conversation.metaRev = draft.nextRev();
};
