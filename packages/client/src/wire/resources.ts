import {
  dictionary,
  enumeration,
  flag,
  type Kind,
  list,
  type MessageKind,
  message,
  optional,
  text,
  whole,
} from './shape.ts';

/** How a conversation works: two users, members who talk, or owner and admins who talk to readers. */
export type ConversationKind = 'UNSPECIFIED' | 'DIRECT' | 'GROUP' | 'CHANNEL';
/** What a participant may do. */
export type Role = 'UNSPECIFIED' | 'MEMBER' | 'ADMIN' | 'OWNER';
/** Whether a participant is in the conversation, left, or was removed. */
export type ParticipantState = 'UNSPECIFIED' | 'ACTIVE' | 'LEFT' | 'REMOVED';

const conversationKinds: readonly ConversationKind[] = ['UNSPECIFIED', 'DIRECT', 'GROUP', 'CHANNEL'];
const roles: readonly Role[] = ['UNSPECIFIED', 'MEMBER', 'ADMIN', 'OWNER'];
const states: readonly ParticipantState[] = ['UNSPECIFIED', 'ACTIVE', 'LEFT', 'REMOVED'];

export const conversationKind: Kind<ConversationKind> = enumeration(
  'caas.events.v1.ConversationKind',
  'CONVERSATION_KIND_',
  conversationKinds,
);
export const role: Kind<Role> = enumeration('caas.events.v1.Role', 'ROLE_', roles);
export const participantState: Kind<ParticipantState> = enumeration(
  'caas.events.v1.ParticipantState',
  'PARTICIPANT_STATE_',
  states,
);

/** A piece of committed media. */
export interface Attachment {
  /** Media of the same tenant, as the media service named it. */
  readonly mediaId: string;
  /** Name to show. */
  readonly name: string;
  /** Media type, for example "image/png". */
  readonly mediaType: string;
  /** Size in bytes. */
  readonly sizeBytes: number;
}
export const attachment: MessageKind<Attachment> = message('caas.events.v1.Attachment', {
  mediaId: text,
  name: text,
  mediaType: text,
  sizeBytes: whole,
});

/** What a message says. */
export interface Content {
  /** Text; may be empty when there are attachments. Default limit 16,384 bytes of UTF-8. */
  readonly text: string;
  /** Attached media, at most 30. */
  readonly attachments: readonly Attachment[];
  /** Ids of users mentioned in the text, at most 100. */
  readonly mentions: readonly string[];
  /** The tenant's own small data, opaque to the service. */
  readonly metadata: Readonly<Record<string, string>>;
}
export const content: MessageKind<Content> = message('caas.events.v1.PlainContent', {
  text,
  attachments: list(attachment),
  mentions: list(text),
  metadata: dictionary,
});

/** Where a forwarded message came from. */
export interface ForwardedFrom {
  readonly conversationId: string;
  readonly messageId: string;
  readonly senderId: string;
}
export const forwardedFrom: MessageKind<ForwardedFrom> = message('caas.events.v1.ForwardedFrom', {
  conversationId: text,
  messageId: text,
  senderId: text,
});

/** Reactions of one kind on a message. */
export interface Reaction {
  /** The kind, for example an emoji. */
  readonly kind: string;
  /** Who reacted, in order. */
  readonly userIds: readonly string[];
}
export const reaction: MessageKind<Reaction> = message('caas.socket.v1.Reaction', { kind: text, userIds: list(text) });

/** A message as its readers see it. Times are UTC milliseconds since 1970; 0: never. */
export interface Message {
  /** Identifier; the same for every reader and every retry. */
  readonly messageId: string;
  readonly conversationId: string;
  readonly senderId: string;
  /** The sender's own id of it. */
  readonly clientMsgId: string;
  /** Log position: sorts messages of the conversation, pending ones included; 0 while unsent. */
  readonly position: number;
  /** Place in the conversation, 1, 2, 3 …; 0 while it is not committed. */
  readonly seq: number;
  /** Revision of its last known change; 0 while not known. */
  readonly rev: number;
  /** What it says; undefined in a tombstone, and where it is unreadable. */
  readonly content: Content | undefined;
  /** Message it answers; empty: none. */
  readonly replyToMessageId: string;
  /** First message of the thread it belongs to; empty: none. */
  readonly threadRootId: string;
  readonly forwardedFrom: ForwardedFrom | undefined;
  readonly acceptedAtMs: number;
  readonly editedAtMs: number;
  /** When it was deleted for everyone; a tombstone keeps its seq. */
  readonly deletedAtMs: number;
  readonly deletedBy: string;
  /** Reactions by kind, in order of first use. */
  readonly reactions: readonly Reaction[];
  readonly pinnedAtMs: number;
  readonly pinnedBy: string;
  /** Trace id of the send, 32 lower-case hex digits. */
  readonly traceId: string;
  /**
   * True: nobody can read any more what it said, for the keys of who said it were destroyed. `content` is undefined, and the
   * message keeps its seq; it is no tombstone.
   */
  readonly unreadable: boolean;
}
export const messageKind: MessageKind<Message> = message('caas.socket.v1.Message', {
  messageId: text,
  conversationId: text,
  senderId: text,
  clientMsgId: text,
  position: whole,
  seq: whole,
  rev: whole,
  content: optional(content),
  replyToMessageId: text,
  threadRootId: text,
  forwardedFrom: optional(forwardedFrom),
  acceptedAtMs: whole,
  editedAtMs: whole,
  deletedAtMs: whole,
  deletedBy: text,
  reactions: list(reaction),
  pinnedAtMs: whole,
  pinnedBy: text,
  traceId: text,
  unreadable: flag,
});

/** Where a conversation stands. */
export interface Head {
  readonly conversationId: string;
  /** Revision before the commit this head tells of. */
  readonly prevHeadRev: number;
  /** Revision now. */
  readonly headRev: number;
  /** Seq of the last message. */
  readonly lastSeq: number;
  /** Position of the last message. */
  readonly lastPosition: number;
  /** Digest over the ids of messages 1 … lastSeq in order, 16 lower-case hex digits. */
  readonly digest: string;
  /** Position past `lastPosition` up to which sends are decided and became no message of their own; 0: none is. */
  readonly decidedPosition: number;
}
export const head: MessageKind<Head> = message('caas.socket.v1.Head', {
  conversationId: text,
  prevHeadRev: whole,
  headRev: whole,
  lastSeq: whole,
  lastPosition: whole,
  digest: text,
  decidedPosition: whole,
});

/** A conversation as its members see it. Times are UTC milliseconds since 1970; 0: never. */
export interface ConversationInfo {
  readonly conversationId: string;
  readonly kind: ConversationKind;
  /** Title; may be empty. */
  readonly title: string;
  /** Address of a picture; may be empty. */
  readonly avatarUrl: string;
  /** The tenant's own small data. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly createdBy: string;
  readonly createdAtMs: number;
  readonly archivedAtMs: number;
  /** True when members who join later see what was said before. */
  readonly historyForNewMembers: boolean;
  readonly memberCount: number;
  /** Where it stands. */
  readonly head: Head | undefined;
  /** Revision of the last change of its own fields. */
  readonly metaRev: number;
}
export const conversationInfo: MessageKind<ConversationInfo> = message('caas.socket.v1.Conversation', {
  conversationId: text,
  kind: conversationKind,
  title: text,
  avatarUrl: text,
  metadata: dictionary,
  createdBy: text,
  createdAtMs: whole,
  archivedAtMs: whole,
  historyForNewMembers: flag,
  memberCount: whole,
  head: optional(head),
  metaRev: whole,
});

/** A user in a conversation. Times are UTC milliseconds since 1970. */
export interface Participant {
  readonly conversationId: string;
  readonly userId: string;
  readonly role: Role;
  readonly state: ParticipantState;
  /** When the user joined last. */
  readonly joinedAtMs: number;
  /** Received up to this seq. */
  readonly deliveredSeq: number;
  /** Read up to this seq. */
  readonly readSeq: number;
  /** Revision of the last change. */
  readonly rev: number;
  /** Notifications muted until; only in one's own. */
  readonly mutedUntilMs: number;
  /** Least seq the user may read; only in one's own. */
  readonly visibleFromSeq: number;
}
export const participant: MessageKind<Participant> = message('caas.socket.v1.Participant', {
  conversationId: text,
  userId: text,
  role,
  state: participantState,
  joinedAtMs: whole,
  deliveredSeq: whole,
  readSeq: whole,
  rev: whole,
  mutedUntilMs: whole,
  visibleFromSeq: whole,
});

/** A conversation in the user's own list. */
export interface ConversationEntry {
  readonly conversation: ConversationInfo;
  /** The user's own participation; its state tells of conversations left. */
  readonly own: Participant;
  /** Messages after own readSeq that are neither one's own nor tombstones. */
  readonly unreadCount: number;
  /** The last message; undefined when there is none. */
  readonly lastMessage: Message | undefined;
}
export const conversationEntry: MessageKind<ConversationEntry> = message('caas.socket.v1.ConversationEntry', {
  conversation: conversationInfo,
  own: participant,
  unreadCount: whole,
  lastMessage: optional(messageKind),
});

/** A user's profile. */
export interface User {
  readonly userId: string;
  /** The tenant's own name of the user. */
  readonly externalId: string;
  readonly displayName: string;
  /** Address of a picture; may be empty. */
  readonly avatarUrl: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** When the profile last changed, UTC milliseconds since 1970. */
  readonly updatedAtMs: number;
}
export const user: MessageKind<User> = message('caas.socket.v1.User', {
  userId: text,
  externalId: text,
  displayName: text,
  avatarUrl: text,
  metadata: dictionary,
  updatedAtMs: whole,
});

/** Whether a user is online. */
export interface Presence {
  readonly userId: string;
  /** True: at least one open connection. */
  readonly online: boolean;
  /** When last seen, UTC milliseconds since 1970; 0: not known. */
  readonly lastSeenAtMs: number;
}
export const presence: MessageKind<Presence> = message('caas.socket.v1.Presence', {
  userId: text,
  online: flag,
  lastSeenAtMs: whole,
});
