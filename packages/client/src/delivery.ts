import { announce } from './announce.ts';
import type { ClientEvents, ClientStats } from './client-events.ts';
import { Conversation, type ConversationHost, localMessage } from './conversation.ts';
import { ConversationState, type Effect } from './conversation-state.ts';
import type { Directory, DirectoryEffect } from './directory.ts';
import type { EntryReader } from './entry-reader.ts';
import { CaasClientError, errorOf } from './errors.ts';
import type { ClientLimits } from './limits.ts';
import type { Clock, OutboxRecord } from './ports.ts';
import { notApplied, Refusals } from './refusals.ts';
import { SyncGrace } from './sync-grace.ts';
import type { Standing, Synchroniser } from './synchroniser.ts';
import { TypingTimers } from './typing-timers.ts';
import type { Accepted, ConversationDelta, NodeEvent, Rejected } from './wire/frames.ts';
import type { ConversationEntry, Message, Participant } from './wire/resources.ts';

export interface DeliveryOptions {
  readonly limits: ClientLimits;
  readonly clock: Clock;
  readonly directory: Directory;
  readonly sync: Pick<Synchroniser, 'want' | 'forget'>;
  readonly emit: <K extends keyof ClientEvents>(name: K, value: ClientEvents[K]) => void;
  readonly userId: () => string;
  readonly entries: Pick<EntryReader, 'want'>;
  /** Lists all conversations again. */
  readonly resume: () => void;
  readonly host: Omit<ConversationHost, 'userId' | 'closeConversation'> & { userId: () => string };
}

type Told = Exclude<Effect, { type: 'refused' }>;

/** Brings what nodes tell to the open conversations and the list, and tells the application what came of it. */
export class Delivery {
  readonly #options: DeliveryOptions;
  /** Open conversations, least recently used first. */
  readonly #open = new Map<string, Conversation>();
  readonly #grace: SyncGrace;
  readonly #typing: TypingTimers;
  readonly #refusals = new Refusals();
  #divergences = 0;
  /** Of conversations closed since. */
  #duplicates = 0;

  constructor(options: DeliveryOptions) {
    this.#options = options;
    const { clock, limits, sync } = options;
    const { syncGraceMs: graceMs, maxSyncGraceMs: maxGraceMs } = limits;
    this.#grace = new SyncGrace({ clock, graceMs, maxGraceMs, sync: (id) => sync.want(id) });
    this.#typing = new TypingTimers(clock, limits, (typing) => options.emit('typing', typing));
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
    conversation.touch();
    this.#duplicates += conversation.state.duplicates;
    this.#open.delete(conversationId);
    this.#options.sync.forget(conversationId);
    this.#grace.forget(conversationId);
  }

  /** Ends; nothing waits any more. */
  stop(): void {
    this.#grace.stop();
    this.#typing.stop();
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

  /** An entry of the list, as the node knows it. */
  learn(entry: ConversationEntry): void {
    const { conversationId } = entry.conversation;
    this.#directoryEffect(conversationId, this.#options.directory.learn(entry));
    this.#reconcile(conversationId);
  }

  /** An entry of the list read after a connect. */
  listed(entry: ConversationEntry): void {
    this.learn(entry);
    const { conversationId, head } = entry.conversation;
    const state = this.#open.get(conversationId)?.state;
    if (state && (!state.ready || !head || head.headRev > state.rev)) this.#options.sync.want(conversationId);
  }

  /** Whether the node must be asked for an entry. */
  needsEntry(conversationId: string): boolean {
    this.#reconcile(conversationId);
    return this.#options.directory.needs(conversationId);
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
      this.#message({ ...local, messageId, position, acceptedAtMs, traceId }, true);
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
        this.#typing.heard(event.value);
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
    this.#reconcile(delta.conversationId);
  }

  /** Lets the list count what an open conversation knows. */
  #reconcile(conversationId: string): void {
    const state = this.#open.get(conversationId)?.state;
    if (state) this.#options.directory.reconcile(conversationId, state);
  }

  #message(message: Message, isAnswer = false): void {
    const { conversationId } = message;
    this.#directoryEffect(conversationId, this.#options.directory.messageArrived(message));
    this.#step(conversationId, (state) => state.accepted(message, isAnswer), { type: 'message', message });
  }

  #participant(participant: Participant): void {
    const { conversationId } = participant;
    this.#own(participant);
    this.#step(conversationId, (state) => state.participantChanged(participant), { type: 'participant', participant });
  }

  #own(participant: Participant): void {
    if (participant.userId !== this.#options.userId()) return;
    this.#directoryEffect(participant.conversationId, this.#options.directory.ownChanged(participant));
  }

  #rejected(rejected: Rejected): void {
    const { conversationId, messageId, clientMsgId, position } = rejected;
    const conversation = this.#open.get(conversationId);
    const message = conversation?.state.window.pending.get(messageId);
    const error = rejected.error
      ? errorOf(rejected.error)
      : new CaasClientError('INTERNAL', 'the message was rejected after it had been accepted');
    if (conversation?.state.rejected(rejected) && message) conversation.fail(message, error);
    else conversation?.explain(messageId, error);
    this.#options.directory.rejected(conversationId, messageId, position);
    if (this.#refusals.add(messageId, position, error))
      this.#options.emit('failed', { conversationId, messageId, clientMsgId, error });
  }

  /** What was decided was found without one's own message; the event that says why may have gone to nobody. */
  #refused(conversation: Conversation, message: Message): void {
    const { directory, emit, userId } = this.#options;
    const { conversationId, messageId, clientMsgId, position } = message;
    if (message.senderId !== userId()) return;
    const error = this.#refusals.errorOf(messageId, position) ?? notApplied();
    conversation.fail(message, error);
    directory.rejected(conversationId, messageId, position);
    // Its later records up to there were refused too, or it would be committed.
    if (this.#refusals.add(messageId, position, error, conversation.state.window.lastPosition))
      emit('failed', { conversationId, messageId, clientMsgId, error });
  }

  /** Events were dropped, so revisions prove nothing till the next delta. */
  #limited(conversationId: string): void {
    if (conversationId !== '') {
      if (this.#open.has(conversationId)) this.#options.sync.want(conversationId);
      else this.#options.directory.missed(conversationId);
      return;
    }
    for (const id of this.#open.keys()) this.#options.sync.want(id);
    this.#options.resume();
  }

  /** Runs a step on an open conversation; for others the application is told what the event itself says. */
  #step(conversationId: string, run: (state: ConversationState) => Effect[], otherwise?: Told): void {
    const conversation = this.#open.get(conversationId);
    if (!conversation) {
      if (otherwise) this.#tell(conversationId, otherwise);
      return;
    }
    const { state } = conversation;
    const effects = run(state);
    this.#grace.check(conversationId, state.behind);
    if (effects.length === 0) return;
    conversation.touch();
    for (const effect of effects) {
      if (effect.type === 'refused') this.#refused(conversation, effect.message);
      else this.#tell(conversationId, effect);
    }
  }

  #tell(conversationId: string, effect: Told): void {
    const { emit, sync, directory } = this.#options;
    // What a sync found, the list has not heard of.
    if (effect.type === 'changed') directory.messageChanged(effect.message);
    if (effect.type === 'participant') this.#own(effect.participant);
    if (effect.type === 'diverged') this.#divergences++;
    if (effect.type === 'sync') sync.want(conversationId);
    else if (effect.type === 'left') this.left(conversationId);
    else announce(emit, conversationId, effect);
  }

  #directoryEffect(conversationId: string, effect: DirectoryEffect): void {
    if (effect === 'joined') this.#options.emit('joined', { conversationId });
    if (effect === 'left') this.left(conversationId);
    if (effect === 'unknown') this.#options.entries.want(conversationId, 0);
  }

  #makeRoom(): void {
    const conversations = [...this.#open.values()];
    const oldest = conversations.find((conversation) => !conversation.isWatched) ?? conversations[0];
    if (oldest) this.close(oldest.id);
  }
}
