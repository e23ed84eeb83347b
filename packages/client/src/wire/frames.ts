import { type Reason, reasonKind } from '../errors.ts';
import { type MediaAccess, mediaAccessKind, type Upload, uploadKind } from './media.ts';
import {
  type ConversationEntry,
  type ConversationInfo,
  conversationEntry,
  conversationInfo,
  type Head,
  head,
  type Message,
  messageKind,
  type Participant,
  type Presence,
  participant,
  presence,
  type User,
  user,
} from './resources.ts';
import { type Found, foundKind } from './search.ts';
import { dictionary, flag, type Kind, list, type MessageKind, message, optional, text, whole } from './shape.ts';

/** The log holds the command: it will be persisted exactly once, or a `rejected` event follows. */
export interface Accepted {
  /** The message sent or acted upon. */
  readonly messageId: string;
  /** Log position of a send; 0 for acts on messages. */
  readonly position: number;
  /** Trace id, 32 lower-case hex digits. */
  readonly traceId: string;
  /** UTC milliseconds since 1970. */
  readonly acceptedAtMs: number;
}
/** The command was carried out. */
export interface Done {
  /** Trace id, 32 lower-case hex digits. */
  readonly traceId: string;
}
/** A page of conversations, by conversation id. */
export interface ConversationPage {
  readonly entries: readonly ConversationEntry[];
  /** Cursor of the next page; empty: this was the last. */
  readonly next: string;
}
/** A page of members, by user id. */
export interface MemberPage {
  readonly members: readonly Participant[];
  /** Cursor of the next page; empty: this was the last. */
  readonly next: string;
}
/** A page of messages, ascending by seq. */
export interface HistoryPage {
  readonly messages: readonly Message[];
  /** The head they were read at. */
  readonly head: Head | undefined;
  /** True when there are more before the first. */
  readonly moreBefore: boolean;
  /** True when there are more after the last. */
  readonly moreAfter: boolean;
}
/** Where to start when not everything is given. */
export interface Limited {
  /** The conversation; empty: all of them. */
  readonly conversationId: string;
  /** Seq before the first message given; what is at or before it comes by history. */
  readonly startSeq: number;
  /** Digest at startSeq, to continue the chain from. */
  readonly startDigest: string;
}
/** All that changed in a conversation since a cursor, or where to start. */
export interface ConversationDelta {
  readonly conversationId: string;
  /** Why there is no delta; UNSPECIFIED: there is one. */
  readonly refused: Reason;
  readonly messages: readonly Message[];
  readonly participants: readonly Participant[];
  readonly conversation: ConversationInfo | undefined;
  readonly hiddenMessageIds: readonly string[];
  readonly head: Head | undefined;
  readonly cursor: string;
  /** True when changes up to the head remain. */
  readonly more: boolean;
  readonly limited: Limited | undefined;
}
export interface SyncResult {
  /** One a conversation asked for, in order; fewer when the limit was reached. */
  readonly deltas: readonly ConversationDelta[];
}
export interface UserList {
  readonly users: readonly User[];
  /** Not all that exist fit: those that are not here are to be asked for again. */
  readonly more: boolean;
}
export interface PresenceList {
  readonly presences: readonly Presence[];
}

/** First frame of a connection. Times are UTC milliseconds since 1970. */
export interface Welcome {
  readonly userId: string;
  readonly sessionId: string;
  readonly nodeId: string;
  readonly serverTimeMs: number;
  /** When the token expires. */
  readonly tokenExpiresAtMs: number;
  /** The node pings after this many milliseconds of silence. */
  readonly pingIntervalMs: number;
  /** Greatest frame in bytes. */
  readonly maxFrameBytes: number;
  /** Greatest text in UTF-8 bytes. */
  readonly maxTextBytes: number;
}
/** A message hidden for the user. */
export interface MessageHidden {
  readonly conversationId: string;
  readonly messageId: string;
}
/** Somebody types or ceased to; without a repeat it ceases after 6,000 ms. */
export interface Typing {
  readonly conversationId: string;
  readonly userId: string;
  readonly typing: boolean;
}
/** A refusal as it stands on the wire. */
export interface WireError {
  readonly reason: Reason;
  readonly message: string;
  readonly retryable: boolean;
  /** Least time to wait, in milliseconds. */
  readonly retryAfterMs: number;
  readonly traceId: string;
  readonly details: Readonly<Record<string, string>>;
}
/** An accepted message that was not applied. */
export interface Rejected {
  readonly conversationId: string;
  readonly messageId: string;
  readonly clientMsgId: string;
  /** Position of the rejected record; another record of the same message may stand. */
  readonly position: number;
  readonly error: WireError | undefined;
}
/** The node goes away. */
export interface Moving {
  /** Closed at the latest after this many milliseconds. */
  readonly closesInMs: number;
}

export const wireError: MessageKind<WireError> = message('caas.common.v1.Error', {
  reason: reasonKind,
  message: text,
  retryable: flag,
  retryAfterMs: whole,
  traceId: text,
  details: dictionary,
});
const limited: MessageKind<Limited> = message('caas.socket.v1.Limited', {
  conversationId: text,
  startSeq: whole,
  startDigest: text,
});
const delta: MessageKind<ConversationDelta> = message('caas.socket.v1.ConversationDelta', {
  conversationId: text,
  refused: reasonKind,
  messages: list(messageKind),
  participants: list(participant),
  conversation: optional(conversationInfo),
  hiddenMessageIds: list(text),
  head: optional(head),
  cursor: text,
  more: flag,
  limited: optional(limited),
});

/** Results of replies by their field name in the contract. */
export interface Replies {
  accepted: Accepted;
  done: Done;
  conversation: ConversationEntry;
  conversations: ConversationPage;
  members: MemberPage;
  history: HistoryPage;
  sync: SyncResult;
  users: UserList;
  presence: PresenceList;
  found: Found;
  upload: Upload;
  media: MediaAccess;
}
export const replyKinds: { readonly [K in keyof Replies]: MessageKind<Replies[K]> } = {
  accepted: message('caas.socket.v1.Accepted', {
    messageId: text,
    position: whole,
    traceId: text,
    acceptedAtMs: whole,
  }),
  done: message('caas.socket.v1.Done', { traceId: text }),
  conversation: conversationEntry,
  conversations: message('caas.socket.v1.ConversationPage', { entries: list(conversationEntry), next: text }),
  members: message('caas.socket.v1.MemberPage', { members: list(participant), next: text }),
  history: message('caas.socket.v1.HistoryPage', {
    messages: list(messageKind),
    head: optional(head),
    moreBefore: flag,
    moreAfter: flag,
  }),
  sync: message('caas.socket.v1.SyncResult', { deltas: list(delta) }),
  users: message('caas.socket.v1.UserList', { users: list(user), more: flag }),
  presence: message('caas.socket.v1.PresenceList', { presences: list(presence) }),
  found: foundKind,
  upload: uploadKind,
  media: mediaAccessKind,
};

/** Events by their field name in the contract. */
export interface Events {
  welcome: Welcome;
  message: Message;
  messageChanged: Message;
  participantChanged: Participant;
  conversationChanged: ConversationInfo;
  messageHidden: MessageHidden;
  head: Head;
  typing: Typing;
  presence: Presence;
  rejected: Rejected;
  limited: Limited;
  moving: Moving;
}
export const eventKinds: { readonly [K in keyof Events]: MessageKind<Events[K]> } = {
  welcome: message('caas.socket.v1.Welcome', {
    userId: text,
    sessionId: text,
    nodeId: text,
    serverTimeMs: whole,
    tokenExpiresAtMs: whole,
    pingIntervalMs: whole,
    maxFrameBytes: whole,
    maxTextBytes: whole,
  }),
  message: messageKind,
  messageChanged: messageKind,
  participantChanged: participant,
  conversationChanged: conversationInfo,
  messageHidden: message('caas.socket.v1.MessageHidden', { conversationId: text, messageId: text }),
  head,
  typing: message('caas.socket.v1.Typing', { conversationId: text, userId: text, typing: flag }),
  presence,
  rejected: message('caas.socket.v1.Rejected', {
    conversationId: text,
    messageId: text,
    clientMsgId: text,
    position: whole,
    error: optional(wireError),
  }),
  limited,
  moving: message('caas.socket.v1.Moving', { closesInMs: whole }),
};

/** An event with its name. */
export type NodeEvent = { [K in keyof Events]: { readonly name: K; readonly value: Events[K] } }[keyof Events];
/** A reply with its name. */
export type Reply = { [K in keyof Replies]: { readonly name: K; readonly value: Replies[K] } }[keyof Replies];
/** What one WebSocket message from the node says; `unknown`: a newer node's, to be ignored. */
export type ServerFrame =
  | { readonly type: 'reply'; readonly id: string; readonly reply: Reply }
  | { readonly type: 'error'; readonly id: string; readonly error: WireError }
  | { readonly type: 'event'; readonly event: NodeEvent }
  | { readonly type: 'unknown'; readonly id: string };

const oneOf = (
  kinds: Readonly<Record<string, Kind<unknown>>>,
  json: unknown,
): { name: string; value: unknown } | undefined => {
  for (const name in json as object) {
    const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
    if (kind) return { name, value: kind.read((json as Record<string, unknown>)[name]) };
  }
  return undefined;
};

/** Reads one frame of subprotocol caas.v1.json. Throws a SyntaxError when it is not JSON. */
export const readFrame = (data: string): ServerFrame => {
  const json = JSON.parse(data) as { id?: string; reply?: unknown; event?: unknown; error?: unknown } | null;
  const id = json?.id ?? '';
  if (json?.event) {
    const event = oneOf(eventKinds, json.event) as NodeEvent | undefined;
    return event ? { type: 'event', event } : { type: 'unknown', id };
  }
  if (json?.error) return { type: 'error', id, error: wireError.read(json.error) };
  const reply = oneOf(replyKinds, json?.reply) as Reply | undefined;
  return reply ? { type: 'reply', id, reply } : { type: 'unknown', id };
};
