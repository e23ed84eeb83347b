import type { Replies } from './frames.ts';
import type { Attachment, ConversationKind, Role } from './resources.ts';
import type { SearchRequest } from './search.ts';

/** Content to send: text or an attachment is required. */
export interface NewContent {
  /** Text; limit in the node's welcome, by default 16,384 bytes of UTF-8. */
  readonly text?: string;
  /** Committed media of one's own: the id is enough, the rest is told by the service. */
  readonly attachments?: readonly (Pick<Attachment, 'mediaId'> & Partial<Attachment>)[];
  /** Ids of users mentioned in the text. */
  readonly mentions?: readonly string[];
  /** The tenant's own small data: at most 20 entries of 1,024 bytes. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Request bodies by their field name in the contract; absent fields have their default. */
export interface Requests {
  sendMessage: {
    conversationId: string;
    clientMsgId: string;
    content: NewContent;
    replyToMessageId?: string;
    threadRootId?: string;
    retry?: boolean;
  };
  editMessage: { conversationId: string; messageId: string; content: NewContent };
  deleteMessage: {
    conversationId: string;
    messageId: string;
    scope: 'DELETE_SCOPE_FOR_ME' | 'DELETE_SCOPE_FOR_EVERYONE';
  };
  forwardMessage: {
    fromConversationId: string;
    messageId: string;
    toConversationId: string;
    clientMsgId: string;
    retry?: boolean;
  };
  setReaction: { conversationId: string; messageId: string; kind: string; present: boolean };
  setPin: { conversationId: string; messageId: string; pinned: boolean };
  createConversation: {
    kind: `CONVERSATION_KIND_${ConversationKind}`;
    clientRef?: string;
    title?: string;
    avatarUrl?: string;
    metadata?: Readonly<Record<string, string>>;
    memberIds?: readonly string[];
    historyForNewMembers?: boolean;
  };
  updateConversation: {
    conversationId: string;
    title?: string;
    avatarUrl?: string;
    replaceMetadata?: boolean;
    metadata?: Readonly<Record<string, string>>;
  };
  archiveConversation: { conversationId: string; archived: boolean };
  addMembers: { conversationId: string; userIds: readonly string[] };
  removeMembers: { conversationId: string; userIds: readonly string[] };
  setMemberRole: { conversationId: string; userId: string; role: `ROLE_${Role}` };
  leaveConversation: { conversationId: string };
  muteConversation: { conversationId: string; mutedUntilMs: number };
  markDelivered: { conversationId: string; seq: number };
  markRead: { conversationId: string; seq: number };
  setTyping: { conversationId: string; typing: boolean };
  watchPresence: { userIds: readonly string[] };
  listConversations: { after?: string; limit?: number; includeLeft?: boolean };
  getConversation: { conversationId: string };
  listMembers: { conversationId: string; after?: string; limit?: number };
  getHistory: {
    conversationId: string;
    beforeSeq?: number;
    afterSeq?: number;
    aroundSeq?: number;
    limit?: number;
  };
  getThread: { conversationId: string; rootMessageId: string; afterSeq?: number; limit?: number };
  listPins: { conversationId: string };
  sync: { conversations: readonly { conversationId: string; cursor?: string; rev?: number }[]; limit?: number };
  getUsers: { userIds?: readonly string[]; externalIds?: readonly string[] };
  updateProfile: {
    displayName?: string;
    avatarUrl?: string;
    replaceMetadata?: boolean;
    metadata?: Readonly<Record<string, string>>;
  };
  renewToken: { accessToken: string };
  createUpload: { name: string; mediaType?: string; sizeBytes: number; sha256?: string };
  getUpload: { mediaId: string };
  completeUpload: { mediaId: string };
  abortUpload: { mediaId: string };
  getMedia: { conversationId?: string; mediaId: string; messageId?: string };
  searchMessages: SearchRequest;
}

export type Verb = keyof Requests;

/** Which reply answers each verb. */
export const replyOf = {
  sendMessage: 'accepted',
  editMessage: 'accepted',
  deleteMessage: 'accepted',
  forwardMessage: 'accepted',
  setReaction: 'accepted',
  setPin: 'accepted',
  createConversation: 'conversation',
  updateConversation: 'conversation',
  archiveConversation: 'conversation',
  addMembers: 'conversation',
  removeMembers: 'conversation',
  setMemberRole: 'conversation',
  leaveConversation: 'done',
  muteConversation: 'done',
  markDelivered: 'done',
  markRead: 'done',
  setTyping: 'done',
  watchPresence: 'presence',
  listConversations: 'conversations',
  getConversation: 'conversation',
  listMembers: 'members',
  getHistory: 'history',
  getThread: 'history',
  listPins: 'history',
  sync: 'sync',
  getUsers: 'users',
  updateProfile: 'users',
  renewToken: 'done',
  createUpload: 'upload',
  getUpload: 'upload',
  completeUpload: 'upload',
  abortUpload: 'done',
  getMedia: 'media',
  searchMessages: 'found',
} as const;

/** Type of the answer to a verb. */
export type ReplyTo<V extends Verb> = Replies[(typeof replyOf)[V]];

/** One frame to the node. */
export const writeFrame = <V extends Verb>(id: string, verb: V, request: Requests[V], traceparent?: string): string =>
  JSON.stringify(traceparent ? { id, traceparent, [verb]: request } : { id, [verb]: request });
