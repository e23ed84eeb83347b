import type { ClientEvents, ClientState, ClientStats } from './client-events.ts';
import type { Conversation, SendOptions } from './conversation.ts';
import { Delivery } from './delivery.ts';
import { Directory } from './directory.ts';
import { EntryReader } from './entry-reader.ts';
import { type CaasClientError, closedError } from './errors.ts';
import { type ClientLimits, defaultLimits } from './limits.ts';
import { Link } from './link.ts';
import { newClientMsgId, Outbox, type SentMessage } from './outbox.ts';
import {
  type Clock,
  type CreateSocket,
  globalSocket,
  type OutboxRecord,
  type OutboxStorage,
  systemClock,
} from './ports.ts';
import { Synchroniser } from './synchroniser.ts';
import { type UploadOptions, uploadMedia } from './upload.ts';
import { Verbs } from './verbs.ts';
import type { NewContent, ReplyTo, Requests, Verb } from './wire/commands.ts';
import type { Accepted, Welcome } from './wire/frames.ts';
import type { Media } from './wire/media.ts';
import type { ConversationEntry } from './wire/resources.ts';

/** How to make a client. */
export interface ClientOptions {
  /** WebSocket URLs of nodes, all equal, or a function that fetches them; asked again when all have failed. */
  readonly urls: readonly string[] | (() => Promise<readonly string[]>);
  /** A current access token of the user, from the application's backend. A CaasClientError that is not retryable ends the client. */
  readonly getToken: () => Promise<string>;
  /** Default: the global WebSocket (browsers, Node ≥ 22). */
  readonly createSocket?: CreateSocket;
  /** Keeps unsent messages across reloads; default: they live in memory. */
  readonly storage?: OutboxStorage;
  /** Overrides of `defaultLimits`. */
  readonly limits?: Partial<ClientLimits>;
  /** Sends the parts of uploads; default: the global fetch. */
  readonly fetch?: typeof fetch;
  /** W3C trace context for each command; default: nodes begin one. */
  readonly traceparent?: () => string;
  readonly clock?: Clock;
  /** Uniform in [0, 1), for jitter. */
  readonly random?: () => number;
}

/**
 * A user's connection to CAAS: keeps itself connected, sends what was given to it once, and shows every open
 * conversation in the one order without gaps.
 */
export class CaasClient extends Verbs<ClientEvents> {
  readonly #link: Link;
  readonly #outbox: Outbox;
  readonly #directory: Directory;
  readonly #entries: EntryReader;
  readonly #sync: Synchroniser;
  readonly #delivery: Delivery;
  readonly #limits: ClientLimits;
  readonly #upload: (source: Blob | Uint8Array<ArrayBuffer>, options: UploadOptions) => Promise<Media>;
  #welcome: Welcome | undefined;
  #restored: Promise<void> | undefined;
  #closed = false;

  constructor(options: ClientOptions) {
    super();
    const clock = options.clock ?? systemClock;
    const random = options.random ?? Math.random;
    const limits = { ...defaultLimits, ...options.limits };
    this.#limits = limits;
    const send = options.fetch ?? ((...args) => fetch(...args));
    const uploads = { command: this.command.bind(this), fetch: send, limits, clock, random };
    this.#upload = (source, uploadOptions) => uploadMedia(uploads, source, uploadOptions);
    const isOnline = () => this.#link.state === 'online';
    this.#link = new Link({
      urls: options.urls,
      getToken: options.getToken,
      createSocket: options.createSocket ?? globalSocket,
      traceparent: options.traceparent,
      limits,
      clock,
      random,
      onState: (state) => this.emit('state', state),
      onOnline: (welcome) => this.#online(welcome),
      onEvent: (event) => this.#delivery.event(event),
      onRetry: (error, retryInMs) => this.emit('retrying', { error, retryInMs }),
      onEnd: (error) => this.#ended(error),
    });
    this.#directory = new Directory({
      maxConversations: limits.maxConversations,
      userId: () => this.userId,
      onDoubt: (conversationId) => this.#entries.want(conversationId, limits.unreadGraceMs),
    });
    this.#entries = new EntryReader({
      limits,
      clock,
      random,
      isOnline,
      read: (conversationId) => this.getConversation(conversationId),
      isNeeded: (conversationId) => this.#delivery.needsEntry(conversationId),
      onEntry: (entry) => this.#delivery.learn(entry),
    });
    this.#outbox = new Outbox({
      limits,
      clock,
      random,
      storage: options.storage,
      isOnline,
      send: (record, retry) => this.#send(record, retry),
      onAccepted: (record, accepted) => this.#delivery.accepted(record, accepted),
      onFailed: ({ conversationId, clientMsgId }, error) =>
        this.emit('failed', { conversationId, clientMsgId, messageId: '', error }),
      onChange: (conversationId) => this.#delivery.touch(conversationId),
    });
    this.#sync = new Synchroniser({
      limits,
      clock,
      random,
      isOnline,
      sync: (request) => this.command('sync', request),
      list: (request) => this.command('listConversations', request),
      standingOf: (conversationId) => this.#delivery.standingOf(conversationId),
      onEntry: (entry) => this.#delivery.listed(entry),
      onListed: (gone) => {
        for (const conversationId of gone) this.#delivery.left(conversationId);
        this.#entries.release();
        this.emit('conversations', this.#directory.values());
      },
      onDelta: (delta, fromStart) => this.#delivery.delta(delta, fromStart),
    });
    this.#delivery = new Delivery({
      limits,
      clock,
      directory: this.#directory,
      sync: this.#sync,
      emit: (name, value) => this.emit(name, value),
      userId: () => this.userId,
      entries: this.#entries,
      resume: () => this.#resume(),
      host: {
        userId: () => this.userId,
        unsent: (conversationId) => this.#outbox.of(conversationId),
        sendMessage: (conversationId, content, sendOptions) => this.sendMessage(conversationId, content, sendOptions),
        history: (request) => this.command('getHistory', request),
        markRead: (conversationId, seq) => this.markRead(conversationId, seq),
        setTyping: (conversationId, typing) => this.setTyping(conversationId, typing),
      },
    });
  }

  /** Where the client stands. */
  get state(): ClientState {
    return this.#link.state;
  }

  /** Id of the user; empty until the first welcome. */
  get userId(): string {
    return this.#welcome?.userId ?? '';
  }

  /** First frame of the newest connection: node, session, limits. */
  get welcome(): Welcome | undefined {
    return this.#welcome;
  }

  /**
   * Connects and stays connected until `close`. Resolves at the first welcome, however many attempts it takes; rejects
   * when the client ends before: SESSION_REVOKED, USER_DEACTIVATED and the like, CLIENT_CLOSED, or what the storage
   * rejects with.
   */
  async connect(): Promise<Welcome> {
    this.#restored ??= this.#outbox.restore();
    await this.#restored;
    if (this.#closed) throw closedError();
    if (this.#welcome) return this.#welcome;
    return new Promise((resolve, reject) => {
      const offWelcome = this.once('welcome', (welcome) => {
        offClosed();
        resolve(welcome);
      });
      const offClosed = this.once('closed', ({ error }) => {
        offWelcome();
        reject(error ?? closedError());
      });
      this.#link.start();
    });
  }

  /** Ends the client. Unsent messages reject with CLIENT_CLOSED and stay in the storage, if there is one. */
  close(): void {
    if (this.#closed) return;
    const error = closedError();
    this.#link.close(error);
    this.#stop(error);
    this.emit('closed', { error: undefined });
  }

  /** Tries to connect at once instead of waiting, for example when the system says that the network is back. */
  wake(): void {
    this.#link.wake();
  }

  /** Sends any command of the contract as it is written on the wire. Waits for a connection within the command's time. */
  override command<V extends Verb>(verb: V, request: Requests[V]): Promise<ReplyTo<V>> {
    return this.#link.request(verb, request);
  }

  /**
   * Sends a message: in order with the others to the conversation, again after lost answers and retryable refusals, and
   * never twice. Resolves when it is accepted, which means kept. Rejects with the reason of a final refusal,
   * LIMIT_EXCEEDED when the outbox is full, DEADLINE_EXCEEDED after `maxSendAgeMs`, CLIENT_CLOSED.
   */
  sendMessage(conversationId: string, content: NewContent, options: SendOptions = {}): Promise<SentMessage> {
    const { replyToMessageId = '', threadRootId = '', clientMsgId = newClientMsgId() } = options;
    const command = { verb: 'sendMessage', content, replyToMessageId, threadRootId } as const;
    return this.#outbox.add(conversationId, clientMsgId, command);
  }

  /** Sends the content of a committed message the user can read to another conversation; as `sendMessage`. */
  forwardMessage(fromConversationId: string, messageId: string, toConversationId: string): Promise<SentMessage> {
    const command = { verb: 'forwardMessage', fromConversationId, messageId } as const;
    return this.#outbox.add(toConversationId, newClientMsgId(), command);
  }

  /**
   * Uploads a file and resolves with its committed media, whose id an attachment names. Parts are sent again after lost
   * connections. Rejects with CONTENT_REJECTED and details.refusal when the service refuses what it is, LIMIT_EXCEEDED when it is too large, or
   * with the last error when it failed `maxUploadFailures` times in a row.
   */
  upload(source: Blob | Uint8Array<ArrayBuffer>, options: UploadOptions = {}): Promise<Media> {
    return this.#upload(source, options);
  }

  /** The conversation, opened: loaded, then kept in step. At `maxWindows` the one used least recently is closed. */
  conversation(conversationId: string): Conversation {
    return this.#delivery.open(conversationId);
  }

  /**
   * The user's conversations as of the last listing and the events since. Unread counts hold accepted messages too; where
   * events were missed, the node is asked again within moments.
   */
  conversations(): readonly ConversationEntry[] {
    return this.#directory.values();
  }

  /** Counts since the client was made. */
  stats(): ClientStats {
    return {
      reconnects: this.#link.reconnects,
      resyncs: this.#sync.deltas,
      outbox: this.#outbox.size,
      ...this.#delivery.stats(),
    };
  }

  #online(welcome: Welcome): void {
    this.#welcome = welcome;
    this.emit('welcome', welcome);
    this.#outbox.flush();
    this.#resume();
  }

  #resume(): void {
    this.#entries.hold();
    this.#sync.resume(new Set([...this.#directory.ids(), ...this.#delivery.openIds()]));
  }

  #send(record: OutboxRecord, retry: boolean): Promise<Accepted> {
    const { clientMsgId, conversationId, command } = record;
    const again = retry ? { retry } : {};
    if (command.verb === 'forwardMessage') {
      const { fromConversationId, messageId } = command;
      const forward = { fromConversationId, messageId, toConversationId: conversationId, clientMsgId, ...again };
      return this.command('forwardMessage', forward);
    }
    const { content, replyToMessageId, threadRootId } = command;
    return this.command('sendMessage', {
      conversationId,
      clientMsgId,
      content,
      replyToMessageId,
      threadRootId,
      ...again,
    });
  }

  #ended(error: CaasClientError): void {
    if (this.#closed) return;
    this.#stop(error);
    this.emit('closed', { error });
  }

  #stop(error: CaasClientError): void {
    this.#closed = true;
    this.#outbox.close(error);
    this.#sync.stop();
    this.#entries.stop();
    this.#delivery.stop();
  }
}
