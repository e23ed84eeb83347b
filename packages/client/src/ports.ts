/** Time, so that tests own it. */
export interface Clock {
  /** UTC milliseconds since 1970. */
  now(): number;
  /** Runs a function once after a wait in milliseconds. */
  setTimeout(run: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  setTimeout: (run, ms) => setTimeout(run, ms),
  clearTimeout: (timer) => clearTimeout(timer as number),
};

/** What an event of a socket may carry. */
export interface SocketEvent {
  readonly data?: unknown;
  readonly code?: number;
  readonly reason?: string;
}

/** The part of the WebSocket interface this SDK uses; browsers, Node ≥ 22 and the `ws` package have it. */
export interface SocketLike {
  /** 1 while open. */
  readonly readyState: number;
  send(data: string): void;
  close(code?: number, reason?: string): void;
  // biome-ignore lint/suspicious/noExplicitAny: the event types of browsers and of `ws` have no common supertype
  addEventListener(type: 'open' | 'message' | 'close' | 'error', listener: (event: any) => void): void;
}

/** Opens a WebSocket to a URL with subprotocols. Throws when the URL is not valid. */
export type CreateSocket = (url: string, protocols: string[]) => SocketLike;

export const globalSocket: CreateSocket = (url, protocols) => new WebSocket(url, protocols);

/** A message that is not yet accepted, as storage keeps it. */
export interface OutboxRecord {
  /** The sender's own id of the message; unique. */
  readonly clientMsgId: string;
  /** Conversation it goes to. */
  readonly conversationId: string;
  /** Order of sends of this client: least first. */
  readonly ordinal: number;
  /** When the application sent it, UTC milliseconds since 1970. */
  readonly createdAtMs: number;
  /** What to send; JSON, opaque to the storage. */
  readonly command: OutboxCommand;
}

/** The two verbs that make a message. */
export type OutboxCommand =
  | {
      readonly verb: 'sendMessage';
      readonly content: import('./wire/commands.ts').NewContent;
      readonly replyToMessageId: string;
      readonly threadRootId: string;
    }
  | { readonly verb: 'forwardMessage'; readonly fromConversationId: string; readonly messageId: string };

/**
 * Keeps unsent messages across reloads, for one user. `put` resolves when the record is durable: only then is the
 * message sent. A storage may be shared by several tabs: the same record sent twice is one message.
 */
export interface OutboxStorage {
  /** All records, in any order. */
  load(): Promise<readonly OutboxRecord[]>;
  /** Adds or replaces a record. A rejection refuses the send. */
  put(record: OutboxRecord): Promise<void>;
  /** Removes a record; absent ones are no error. */
  remove(clientMsgId: string): Promise<void>;
}
