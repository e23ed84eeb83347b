import type { CaasClientError } from './errors.ts';
import type { LinkState } from './link.ts';
import type { SentMessage } from './outbox.ts';
import type { MessageHidden, Typing, Welcome } from './wire/frames.ts';
import type { ConversationEntry, ConversationInfo, Message, Participant, Presence } from './wire/resources.ts';

/** `offline`: waiting for the next attempt, or not started; `closed`: for good. */
export type ClientState = LinkState;

/** Names a conversation. */
export interface ConversationRef {
  readonly conversationId: string;
}

/** Names a message of one's own, and why it is not sent. */
export interface FailedMessage extends ConversationRef {
  readonly clientMsgId: string;
  /** Empty when the message was never accepted. */
  readonly messageId: string;
  readonly error: CaasClientError;
}

/** What the client tells of. */
export interface ClientEvents {
  /** The state changed. */
  state: ClientState;
  /** A connection is open and authenticated. */
  welcome: Welcome;
  /** An attempt failed or a connection was lost; the next one comes after so many milliseconds. */
  retrying: { readonly error: CaasClientError; readonly retryInMs: number };
  /** The client has ended; the error is undefined when `close` was called. */
  closed: { readonly error: CaasClientError | undefined };
  /** The list of conversations was read after a connect. */
  conversations: readonly ConversationEntry[];
  /** The user has become a member of a conversation. */
  joined: ConversationRef;
  /** The user is no longer a member; the conversation was closed. */
  left: ConversationRef;
  /**
   * A message seen for the first time; seq 0 while it is not committed. In open conversations once a message; in others
   * a repeated send may show twice.
   */
  message: Message;
  /** A message of an open conversation has its seq; in seq order without gaps, but after a `reset`. */
  committed: Message;
  messageChanged: Message;
  messageHidden: MessageHidden;
  participantChanged: Participant;
  conversationChanged: ConversationInfo;
  /** What is known of an open conversation was loaded or begins anew: read `items()` again. */
  reset: ConversationRef;
  /** Somebody types or ceased to; `typing: false` also comes by itself after `typingTimeoutMs` without a repeat. */
  typing: Typing;
  presence: Presence;
  /** A message of one's own was accepted. */
  sent: SentMessage;
  /**
   * A message of one's own has left the outbox unsent, or was rejected after it had been accepted; told once, in open
   * conversations also when the rejection came while the client was away (FAILED_PRECONDITION: why is not known then).
   */
  failed: FailedMessage;
  /** A complete delta did not give the digest of its head: the conversation is loaded anew. */
  diverged: ConversationRef;
}

/** Counts since the client was made. */
export interface ClientStats {
  /** Connections after the first. */
  readonly reconnects: number;
  /** Deltas read. */
  readonly resyncs: number;
  /** Complete deltas that did not give the digest of their head; 0 in a sound system. */
  readonly divergences: number;
  /** Messages received again and ignored. */
  readonly duplicates: number;
  /** Accepted, not yet committed messages of open conversations. */
  readonly pending: number;
  /** Unsent messages. */
  readonly outbox: number;
  /** Open conversations. */
  readonly windows: number;
}
