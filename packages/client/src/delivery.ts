import type { ClientEvents, ClientStats } from './client-events.ts';
import { Conversation, type ConversationHost, localMessage } from './conversation.ts';
import { ConversationState, type Effect } from './conversation-state.ts';
import type { Directory, DirectoryEffect } from './directory.ts';
import { CaasClientError, errorOf } from './errors.ts';
import type { ClientLimits } from './limits.ts';
import type { OutboxRecord } from './ports.ts';
import type { Standing, Synchroniser } from './synchroniser.ts';
import type { Accepted, ConversationDelta, NodeEvent, Rejected } from './wire/frames.ts';
import type { ConversationEntry, Message, Participant } from './wire/resources.ts';

export interface DeliveryOptions {
  readonly limits: ClientLimits;
  readonly directory: Directory;
  readonly sync: Pick<Synchroniser, 'want' | 'forget'>;
  readonly emit: <K extends keyof ClientEvents>(name: K, value: ClientEvents[K]) => void;
  readonly userId: () => string;
  readonly fetchEntry: (conversationId: string) => Promise<ConversationEntry>;
  /** Lists all conversations again. */
  readonly resume: () => void;
  readonly host: Omit<ConversationHost, 'userId' | 'closeConversation'> & { userId: () => string };
}

/** Brings what nodes tell to the open conversations and the list, and tells the application what came of it. */
export class Delivery {
  readonly #options: DeliveryOptions;
  /** Open conversations, least recently used first. */
  readonly #open = new Map<string, Conversation>();
  /** Conversations whose entry is being asked for. */
  readonly #fetching = new Set<string>();
  #divergences = 0;
  /** Of conversations closed since. */
  #duplicates = 0;

  constructor(options: DeliveryOptions) {
    this.#options = options;
  }

  open(conversationId: string): Conversation {
    const known = this.#open.get(conversationId);
    if (known) {
      this.#open.delete(conversationId);
      this.#open.set(conversationId, known);
      return known;
    }
    const { limits, host, sync } = this.#options;
    if (this.#open.size >= limits.maxWindows) this.#makeRoom();
    const conversation = new Conversation(new ConversationState(conversationId, limits), {
      ...host,
      get userId() {
        return host.userId();
      },
      closeConversation: (id) => this.close(id),
    });
    this.#open.set(conversationId, conversation);
    sync.want(conversationId);
    return conversation;
  }

  close(conversationId: string): void {
    const conversation = this.#open.get(conversationId);
    if (!conversation) return;
    conversation.isOpen = false;
    this.#duplicates += conversation.state.duplicates;
    this.#open.delete(conversationId);
    this.#options.sync.forget(conversationId);
  }

  openIds(): string[] {
    return [...this.#open.keys()];
  }

  standingOf(conversationId: string): Standing | undefined {
    return this.#open.get(conversationId)?.state;
  }

  touch(conversationId: string): void {
    this.#open.get(conversationId)?.touch();
  }

  stats(): Pick<ClientStats, 'divergences' | 'duplicates' | 'pending' | 'windows'> {
    let pending = 0;
    let duplicates = this.#duplicates;
    for (const { state } of this.#open.values()) {
      pending += state.window.pending.size;
      duplicates += state.duplicates;
    }
    return { divergences: this.#divergences, duplicates, pending, windows: this.#open.size };
  }

  /** An entry of the list read after a connect. */
  listed(entry: ConversationEntry): void {
    const { conversationId, head } = entry.conversation;
    this.#directoryEffect(conversationId, this.#options.directory.learn(entry));
    const state = this.#open.get(conversationId)?.state;
    if (state && (!state.ready || head?.headRev !== state.rev)) this.#options.sync.want(conversationId);
  }

  left(conversationId: string): void {
    this.#options.directory.remove(conversationId);
    this.close(conversationId);
    this.#options.emit('left', { conversationId });
  }

  /** One's own message was accepted. */
  accepted(record: OutboxRecord, accepted: Accepted): void {
    const { conversationId, clientMsgId } = record;
    const { messageId, position, acceptedAtMs, traceId } = accepted;
    // What a forwarded message says, only the node knows: its event follows.
    if (record.command.verb === 'sendMessage') {
      const local = localMessage(record, this.#options.userId());
      this.#message({ ...local, messageId, position, acceptedAtMs, traceId });
    }
    this.#options.emit('sent', { ...accepted, clientMsgId, conversationId });
  }

  event(event: NodeEvent): void {
    const { emit, directory } = this.#options;
    switch (event.name) {
      case 'message':
        this.#message(event.value);
        break;
      case 'messageChanged':
        directory.messageChanged(event.value);
        this.#step(event.value.conversationId, (state) => state.changed(event.value), {
          type: 'changed',
          message: event.value,
        });
        break;
      case 'messageHidden': {
        const { conversationId, messageId } = event.value;
        this.#step(conversationId, (state) => state.hidden(messageId), { type: 'hidden', messageId });
        break;
      }
      case 'participantChanged':
        this.#participant(event.value);
        break;
      case 'conversationChanged': {
        const conversation = event.value;
        this.#directoryEffect(conversation.conversationId, directory.conversationChanged(conversation));
        this.#step(conversation.conversationId, (state) => state.conversationChanged(conversation), {
          type: 'conversation',
          conversation,
        });
        break;
      }
      case 'head':
        directory.headMoved(event.value);
        this.#step(event.value.conversationId, (state) => state.headMoved(event.value));
        break;
      case 'rejected':
        this.#rejected(event.value);
        break;
      case 'limited':
        this.#limited(event.value.conversationId);
        break;
      case 'typing':
        emit('typing', event.value);
        break;
      case 'presence':
        emit('presence', event.value);
        break;
      // The link's own.
      case 'welcome':
      case 'moving':
        break;
    }
  }

  delta(delta: ConversationDelta, fromStart: boolean): void {
    this.#step(delta.conversationId, (state) => state.delta(delta, fromStart));
    const { directory, userId } = this.#options;
    const known = directory.get(delta.conversationId)?.lastMessage?.position ?? 0;
    const committed = this.#open.get(delta.conversationId)?.state.window.committed ?? [];
    const first = committed.findLastIndex((message) => message.position <= known) + 1;
    for (const message of committed.slice(first)) directory.messageArrived(message, message.senderId === userId());
  }

  #message(message: Message): void {
    const { directory, userId } = this.#options;
    if (!directory.get(message.conversationId)) this.#fetch(message.conversationId);
    directory.messageArrived(message, message.senderId === userId());
    this.#step(message.conversationId, (state) => state.accepted(message), { type: 'message', message });
  }

  #participant(participant: Participant): void {
    const { conversationId, userId } = participant;
    if (userId === this.#options.userId()) {
      this.#directoryEffect(conversationId, this.#options.directory.ownChanged(participant));
    }
    this.#step(conversationId, (state) => state.participantChanged(participant), { type: 'participant', participant });
  }

  #rejected(rejected: Rejected): void {
    const { conversationId, messageId, clientMsgId } = rejected;
    const conversation = this.#open.get(conversationId);
    const message = conversation?.state.window.pending.get(messageId);
    const error = rejected.error
      ? errorOf(rejected.error)
      : new CaasClientError('INTERNAL', 'the message was rejected after it had been accepted');
    if (conversation?.state.rejected(rejected) && message) conversation.fail(message, error);
    this.#options.emit('failed', { conversationId, messageId, clientMsgId, error });
  }

  /** Events were dropped, so revisions prove nothing till the next delta. */
  #limited(conversationId: string): void {
    if (conversationId !== '') {
      if (this.#open.has(conversationId)) this.#options.sync.want(conversationId);
      return;
    }
    for (const id of this.#open.keys()) this.#options.sync.want(id);
    this.#options.resume();
  }

  /** Runs a step on an open conversation; for others the application is told what the event itself says. */
  #step(conversationId: string, run: (state: ConversationState) => Effect[], otherwise?: Effect): void {
    const conversation = this.#open.get(conversationId);
    if (!conversation) {
      if (otherwise) this.#tell(conversationId, otherwise);
      return;
    }
    const effects = run(conversation.state);
    if (effects.length === 0) return;
    conversation.touch();
    for (const effect of effects) this.#tell(conversationId, effect);
  }

  #tell(conversationId: string, effect: Effect): void {
    const { emit, sync } = this.#options;
    switch (effect.type) {
      case 'message':
        emit('message', effect.message);
        break;
      case 'committed':
        emit('committed', effect.message);
        break;
      case 'changed':
        emit('messageChanged', effect.message);
        break;
      case 'hidden':
        emit('messageHidden', { conversationId, messageId: effect.messageId });
        break;
      case 'participant':
        emit('participantChanged', effect.participant);
        break;
      case 'conversation':
        emit('conversationChanged', effect.conversation);
        break;
      case 'reset':
        emit('reset', { conversationId });
        break;
      case 'sync':
        sync.want(conversationId);
        break;
      case 'diverged':
        this.#divergences++;
        emit('diverged', { conversationId });
        break;
      case 'left':
        this.left(conversationId);
        break;
    }
  }

  #directoryEffect(conversationId: string, effect: DirectoryEffect): void {
    if (effect === 'joined') this.#options.emit('joined', { conversationId });
    if (effect === 'left') this.left(conversationId);
    if (effect === 'unknown') this.#fetch(conversationId);
  }

  /** Learns a conversation of which only an event told; when that fails, the next listing tells of it. */
  #fetch(conversationId: string): void {
    if (this.#fetching.has(conversationId)) return;
    this.#fetching.add(conversationId);
    this.#options
      .fetchEntry(conversationId)
      .then(
        (entry) => this.#directoryEffect(conversationId, this.#options.directory.learn(entry)),
        () => {},
      )
      .finally(() => this.#fetching.delete(conversationId));
  }

  #makeRoom(): void {
    const conversations = [...this.#open.values()];
    const oldest = conversations.find((conversation) => !conversation.isWatched) ?? conversations[0];
    if (oldest) this.close(oldest.id);
  }
}
