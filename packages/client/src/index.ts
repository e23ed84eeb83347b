export { CaasClient, type ClientOptions } from './client.ts';
export type {
  ClientEvents,
  ClientState,
  ClientStats,
  ConversationRef,
  FailedMessage,
} from './client-events.ts';
export type { Conversation, Item, SendOptions } from './conversation.ts';
export { emptyDigest, nextDigest } from './digest.ts';
export { CaasClientError, type ClientErrorFacts, type ClientReason, type Reason } from './errors.ts';
export type { HistoryOptions } from './history.ts';
export { type ClientLimits, defaultLimits } from './limits.ts';
export type { SentMessage } from './outbox.ts';
export type {
  Clock,
  CreateSocket,
  OutboxCommand,
  OutboxRecord,
  OutboxStorage,
  SocketEvent,
  SocketLike,
} from './ports.ts';
export type { UploadOptions } from './upload.ts';
export type { ConversationChange, NewConversation, PageOptions, ProfileChange } from './verbs.ts';
export type { NewContent, ReplyTo, Requests, Verb } from './wire/commands.ts';
export type {
  Accepted,
  ConversationPage,
  Done,
  HistoryPage,
  MemberPage,
  MessageHidden,
  Typing,
  Welcome,
} from './wire/frames.ts';
export type {
  Media,
  MediaAccess,
  MediaKind,
  MediaRefusal,
  MediaState,
  Rendition,
  Upload,
  UploadPart,
} from './wire/media.ts';
export type {
  Attachment,
  Content,
  ConversationEntry,
  ConversationInfo,
  ConversationKind,
  ForwardedFrom,
  Head,
  Message,
  Participant,
  ParticipantState,
  Presence,
  Reaction,
  Role,
  User,
} from './wire/resources.ts';
export type { Found, Highlight, SearchHit, SearchRequest } from './wire/search.ts';
