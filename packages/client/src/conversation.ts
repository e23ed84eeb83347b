import type { ConversationState } from './conversation-state.ts';
import { CaasClientError, closedError } from './errors.ts';
import { type HistoryOptions, walkHistory } from './history.ts';
import type { SentMessage } from './outbox.ts';
import type { OutboxRecord } from './ports.ts';
import type { NewContent, ReplyTo, Requests } from './wire/commands.ts';
import {
  type ConversationInfo,
  content,
  type Head,
  type Message,
  messageKind,
  type Participant,
} from './wire/resources.ts';

/** What else a message may carry. */
export interface SendOptions {
  /** Message it answers. */
  readonly replyToMessageId?: string;
  /** First message of the thread it belongs to. */
  readonly threadRootId?: string;
  /** The sender's own id of it, printable ASCII, at most 64 bytes; default: 128 random bits. */
  readonly clientMsgId?: string;
}

/** One line of a conversation as it is shown. */
export interface Item {
  readonly message: Message;
  /** `local`: not accepted yet; `pending`: accepted; `committed`: has its seq; `failed`: rejected after it was accepted. */
  readonly status: 'local' | 'pending' | 'committed' | 'failed';
  /** Why, when failed. */
  readonly error?: CaasClientError;
}

/** What a conversation needs of its client. */
export interface ConversationHost {
  readonly userId: string;
  unsent(conversationId: string): readonly OutboxRecord[];
  sendMessage(conversationId: string, content: NewContent, options?: SendOptions): Promise<SentMessage>;
  history(request: Requests['getHistory']): Promise<ReplyTo<'getHistory'>>;
  markRead(conversationId: string, seq: number): Promise<unknown>;
  setTyping(conversationId: string, typing: boolean): Promise<unknown>;
  closeConversation(conversationId: string): void;
}

const maxFailed = 100;
/** How long `until` waits, in milliseconds. */
const defaultUntilMs = 30_000;

/** An open conversation: its messages in the one order, kept in step until it is closed. */
export class Conversation {
  readonly id: string;
  /** False once it was closed, by the application, by leaving, or to make room; open it again with `client.conversation`. */
  isOpen = true;
  /** The rules by which it is kept; not for applications. */
  readonly state: ConversationState;
  readonly #host: ConversationHost;
  readonly #listeners = new Set<() => void>();
  readonly #failed = new Map<string, Item>();
  #items: readonly Item[] | undefined;
  #notifying = false;

  constructor(state: ConversationState, host: ConversationHost) {
    this.id = state.conversationId;
    this.state = state;
    this.#host = host;
  }

  /** True once the first load is complete. */
  get isLoaded(): boolean {
    return this.state.window.announcedSeq !== undefined;
  }

  /** The conversation's own fields; undefined until loaded. */
  get info(): ConversationInfo | undefined {
    return this.state.conversation;
  }

  /** Participants that are known: those that changed last, at most `maxParticipants`. All of them: `client.listMembers`. */
  get participants(): readonly Participant[] {
    return [...this.state.participants.values()];
  }

  /** Up to where the conversation is complete here; equal heads mean equal lists. */
  get head(): Pick<Head, 'headRev' | 'lastSeq' | 'digest'> {
    const { rev, window } = this.state;
    return { headRev: rev, lastSeq: window.lastSeq, digest: window.digest };
  }

  /** True when somebody waits for changes; such conversations are closed last to make room. */
  get isWatched(): boolean {
    return this.#listeners.size > 0;
  }

  /** Committed messages kept here, hidden ones left out, ascending by seq. Earlier ones: `history`. */
  messages(): readonly Message[] {
    const { window } = this.state;
    return window.committed.filter((message) => !window.isHidden(message.messageId));
  }

  /**
   * What to show: committed messages by seq, accepted ones by position, failed ones, unsent ones in order of sending.
   * The same array until something changes.
   */
  items(): readonly Item[] {
    if (this.#items) return this.#items;
    const { window } = this.state;
    const items: Item[] = this.messages().map((message) => ({ message, status: 'committed' }));
    for (const message of window.pendingUpTo(Number.POSITIVE_INFINITY)) {
      if (!window.isHidden(message.messageId)) items.push({ message, status: 'pending' });
    }
    for (const item of this.#failed.values()) if (!window.get(item.message.messageId)) items.push(item);
    for (const record of this.#host.unsent(this.id))
      items.push({ message: localMessage(record, this.#host.userId), status: 'local' });
    this.#items = items;
    return items;
  }

  /** Calls a listener after each turn in which `items()` changed, until the returned function is called. */
  onChange(listener: () => void): () => void {
    const registered = () => listener();
    this.#listeners.add(registered);
    return () => this.#listeners.delete(registered);
  }

  /**
   * Looks now and after each change, and resolves with what `find` finds: anything but undefined, null and false. Rejects
   * with DEADLINE_EXCEEDED after `timeoutMs`, and with CLIENT_CLOSED when the conversation is closed before.
   */
  until<T>(find: () => T | undefined | null | false, timeoutMs: number = defaultUntilMs): Promise<T> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        try {
          const found = find();
          if (found !== undefined && found !== null && found !== false) end(() => resolve(found));
          else if (!this.isOpen) end(() => reject(closedError()));
        } catch (thrown) {
          end(() => reject(thrown));
        }
      };
      const end = (settle: () => void): void => {
        clearTimeout(timer);
        off();
        settle();
      };
      const late = new CaasClientError('DEADLINE_EXCEEDED', `not so within ${timeoutMs} ms`, { retryable: true });
      const timer = setTimeout(() => end(() => reject(late)), timeoutMs);
      const off = this.onChange(look);
      look();
    });
  }

  /** Resolves with a message once it is committed, so that it may be edited, deleted, reacted to and pinned; see `until`. */
  committed(messageId: string, timeoutMs: number = defaultUntilMs): Promise<Message> {
    return this.until(() => this.messages().find((message) => message.messageId === messageId), timeoutMs);
  }

  /** Sends a message; see `client.sendMessage`. */
  send(message: NewContent | string, options?: SendOptions): Promise<SentMessage> {
    return this.#host.sendMessage(this.id, typeof message === 'string' ? { text: message } : message, options);
  }

  /** Walks over committed messages page by page, newest first unless `afterSeq` is given. Rejects as `client.getHistory`. */
  history(options: HistoryOptions = {}): AsyncGenerator<Message, void, undefined> {
    return walkHistory((anchor) => this.#host.history({ conversationId: this.id, ...anchor }), options);
  }

  /** Tells that all committed messages kept here have been read. */
  async markRead(): Promise<void> {
    const { lastSeq } = this.state.window;
    if (lastSeq > 0) await this.#host.markRead(this.id, lastSeq);
  }

  /** Tells the other members that one types; say so again every 5,000 ms. */
  async setTyping(typing = true): Promise<void> {
    await this.#host.setTyping(this.id, typing);
  }

  /** Stops keeping it in step and forgets its messages. */
  close(): void {
    this.#host.closeConversation(this.id);
  }

  /** The client's: a message was rejected after it had been accepted. */
  fail(message: Message, error: CaasClientError): void {
    this.#failed.set(message.messageId, { message, status: 'failed', error });
    if (this.#failed.size > maxFailed) this.#failed.delete(this.#failed.keys().next().value as string);
    this.touch();
  }

  /** The client's: why a message failed has become known. */
  explain(messageId: string, error: CaasClientError): void {
    const item = this.#failed.get(messageId);
    if (item) this.fail(item.message, error);
  }

  /** The client's: something changed. */
  touch(): void {
    this.#items = undefined;
    if (this.#notifying || this.#listeners.size === 0) return;
    this.#notifying = true;
    queueMicrotask(() => {
      this.#notifying = false;
      for (const listener of [...this.#listeners]) listener();
    });
  }
}

/** An unsent message as it will look. */
export const localMessage = (record: OutboxRecord, senderId: string): Message => {
  const { clientMsgId, conversationId, createdAtMs, command } = record;
  const base = { ...messageKind.read({}), clientMsgId, conversationId, senderId, acceptedAtMs: createdAtMs };
  if (command.verb === 'forwardMessage') {
    const forwardedFrom = { conversationId: command.fromConversationId, messageId: command.messageId, senderId: '' };
    return { ...base, forwardedFrom };
  }
  const { replyToMessageId, threadRootId } = command;
  return { ...base, content: content.read(command.content), replyToMessageId, threadRootId };
};
