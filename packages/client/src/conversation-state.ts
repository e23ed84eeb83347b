import { emptyDigest } from './digest.ts';
import { differs, MessageWindow } from './message-window.ts';
import type { ConversationDelta, Rejected } from './wire/frames.ts';
import type { ConversationInfo, Head, Message, Participant } from './wire/resources.ts';

/** Bounds of one conversation's state, in items. */
export interface StateLimits {
  readonly maxWindowMessages: number;
  readonly maxPendingMessages: number;
  readonly maxParticipants: number;
}

/** What a step brought about, for the client to announce or to do. */
export type Effect =
  /** A message seen for the first time. */
  | { readonly type: 'message'; readonly message: Message }
  /** The message has its seq; raised in seq order without gaps. */
  | { readonly type: 'committed'; readonly message: Message }
  | { readonly type: 'changed'; readonly message: Message }
  /** The message was accepted and will never be committed. */
  | { readonly type: 'refused'; readonly message: Message }
  | { readonly type: 'hidden'; readonly messageId: string }
  | { readonly type: 'participant'; readonly participant: Participant }
  | { readonly type: 'conversation'; readonly conversation: ConversationInfo }
  /** The window was loaded or begins anew: read it again; what lies before it comes by history. */
  | { readonly type: 'reset' }
  /** Something was missed: ask for a delta. */
  | { readonly type: 'sync' }
  /** A complete delta did not give the digest of its head: ask from the start. */
  | { readonly type: 'diverged' }
  /** The user is not a member any more. */
  | { readonly type: 'left' };

const maxQueuedHeads = 64;

/**
 * What this client knows of one conversation, and the rules by which it converges to the one order. A state machine
 * without ports: the same steps give the same state and effects.
 *
 * Own revision `rev` means: every change up to it is here. It moves by a head whose predecessor it is, or by a delta
 * that is complete. Messages become committed only when the digest over them equals the head's, or by a delta.
 */
export class ConversationState {
  readonly conversationId: string;
  readonly window: MessageWindow;
  /** Revision up to which every change is known. */
  rev = 0;
  /** Revision of the last load from nothing: every change after it was seen. Infinity while one is under way. */
  sinceRev: number = Number.POSITIVE_INFINITY;
  /** Cursor of the last delta; empty: none yet. */
  cursor = '';
  /** False until the first complete delta: what is shown may be only the newest. */
  ready = false;
  conversation: ConversationInfo | undefined;
  readonly participants: Map<string, Participant> = new Map();
  /** Receipts of the same message beyond the first. */
  duplicates = 0;
  readonly #limits: StateLimits;
  /** Heads that could not be followed yet, by the revision before them. */
  readonly #heads = new Map<number, Head>();
  /** Greatest revision any head told of. */
  #seenRev = 0;
  /** Greatest revision of a message that was told live. */
  #changedRev = 0;
  /** Where the changes lie that found no message here, or whose message was given up: only a delta can bring them. */
  #missed = { fromRev: Number.POSITIVE_INFINITY, toRev: 0 };
  /** Position up to which sends are decided for who is at a revision, as the last head with such a position said. */
  #decided = { rev: 0, position: 0 };

  constructor(conversationId: string, limits: StateLimits) {
    this.conversationId = conversationId;
    this.#limits = limits;
    this.window = new MessageWindow(limits.maxWindowMessages);
  }

  /** True when a head was seen that could not be followed: something is late or was missed. */
  get behind(): boolean {
    return this.ready && this.rev < this.#seenRev;
  }

  /**
   * A message was accepted: event `message`, or the answer to one's own send, which only knows what was sent. Of two
   * records of one message the one of least position counts, with its content, for the first record in the log wins.
   */
  accepted(message: Message, isAnswer = false): Effect[] {
    const { window } = this;
    if (window.get(message.messageId)) {
      this.duplicates++;
      return [];
    }
    const pending = window.pending.get(message.messageId);
    if (pending) {
      this.duplicates++;
      const isFirst = message.position < pending.position;
      if (!isFirst && (isAnswer || message.position > pending.position)) return [];
      // A change of the committed message that came before its commit stands whatever the records say.
      const record = pending.rev > 0 ? { ...pending, position: message.position } : message;
      window.pending.set(message.messageId, record);
      const effects: Effect[] = differs(pending, record) ? [{ type: 'changed', message: record }] : [];
      if (isFirst && this.behind) this.#followQueued(effects);
      return effects;
    }
    // Everything up to the committed position is decided: what is not among it is a later record or was rejected.
    if (message.position <= window.lastPosition || window.isPast(message.messageId)) {
      // Of one's own the answer came after the decision; nothing else would tell.
      if (isAnswer && window.isRefused(message)) return [{ type: 'refused', message }];
      this.duplicates++;
      return [];
    }
    if (window.pending.size >= this.#limits.maxPendingMessages) return [{ type: 'sync' }];
    window.pending.set(message.messageId, message);
    const effects: Effect[] = [{ type: 'message', message }];
    if (this.behind) this.#followQueued(effects);
    return effects;
  }

  /** A committed message changed: edit, deletion, reaction, pin. Messages outside the window are only announced. */
  changed(message: Message): Effect[] {
    const { window } = this;
    this.#changedRev = Math.max(this.#changedRev, message.rev);
    const pending = window.pending.get(message.messageId);
    if (pending) {
      // Its commit is on its way: the change is kept, the seq waits for the head.
      if (message.rev <= pending.rev) return [];
      window.pending.set(message.messageId, { ...message, position: pending.position, seq: 0 });
      return [{ type: 'changed', message }];
    }
    const known = window.get(message.messageId);
    if (known) {
      if (message.rev <= known.rev) return [];
      window.replace(message);
      return [{ type: 'changed', message }];
    }
    if (message.seq > 0 && message.seq <= window.startSeq) return [{ type: 'changed', message }];
    // A message that should be here and is not. It may come with a delta read before this change, whose head is not followed.
    this.#miss(message.rev, message.rev);
    return [];
  }

  /** A participant came, went, changed role or sent a receipt. */
  participantChanged(participant: Participant): Effect[] {
    const known = this.participants.get(participant.userId);
    if (known && known.rev >= participant.rev) return [];
    this.participants.delete(participant.userId);
    this.participants.set(participant.userId, participant);
    if (this.participants.size > this.#limits.maxParticipants) {
      const oldest = this.participants.keys().next().value;
      if (oldest !== undefined) this.participants.delete(oldest);
    }
    return [{ type: 'participant', participant }];
  }

  /** The conversation's own fields changed. */
  conversationChanged(conversation: ConversationInfo): Effect[] {
    if (this.conversation && this.conversation.metaRev >= conversation.metaRev) return [];
    this.conversation = conversation;
    return [{ type: 'conversation', conversation }];
  }

  /** A message was hidden for this user. */
  hidden(messageId: string): Effect[] {
    return this.window.hide(messageId) ? [{ type: 'hidden', messageId }] : [];
  }

  /** An accepted message was refused after all; true when it was waiting here under that record. */
  rejected(rejected: Rejected): boolean {
    const pending = this.window.pending.get(rejected.messageId);
    if (!pending || pending.position !== rejected.position) return false;
    return this.window.pending.delete(rejected.messageId);
  }

  /** The conversation was committed up to a head. When it can't be followed, the state is `behind`. */
  headMoved(head: Head): Effect[] {
    const effects: Effect[] = [];
    if (head.decidedPosition > this.#decided.position)
      this.#decided = { rev: head.headRev, position: head.decidedPosition };
    if (head.headRev <= this.rev) {
      this.#dropDecided(effects);
      return effects;
    }
    this.#seenRev = Math.max(this.#seenRev, head.headRev);
    // What the digest proves is committed, also where heads between are missing.
    this.window.promote(head, effects);
    // Heads that come while a sync is under way often continue where its delta ends.
    if (this.#heads.size >= maxQueuedHeads) this.#heads.clear();
    this.#heads.set(head.prevHeadRev, head);
    // Before the first load there is no revision to continue from.
    if (this.ready) this.#followQueued(effects);
    return effects;
  }

  /** Forgets what binds the state to its past, so that the next sync starts from nothing. Messages stay shown till then. */
  restart(): void {
    this.cursor = '';
    this.ready = false;
  }

  /**
   * The answer to a sync. `fromStart` says that it was asked without a cursor. Changes in it are taken by rev, so that
   * repeats and live events that overtook it do no harm.
   */
  delta(delta: ConversationDelta, fromStart: boolean): Effect[] {
    if (delta.refused === 'CONVERSATION_NOT_FOUND') return [{ type: 'left' }];
    if (delta.refused !== 'UNSPECIFIED') {
      if (delta.refused === 'CURSOR_INVALID') this.restart();
      return [{ type: 'sync' }];
    }
    const effects: Effect[] = [];
    const { window } = this;
    if (fromStart || delta.limited) {
      const had = window.restart(delta.limited?.startSeq ?? 0, delta.limited?.startDigest ?? emptyDigest);
      if (had) effects.push({ type: 'reset' });
      // A change told while the delta was under way went with the window it was made to.
      this.#miss(0, this.#changedRev);
      this.rev = 0;
      this.sinceRev = Number.POSITIVE_INFINITY;
    }
    for (const id of delta.hiddenMessageIds) effects.push(...this.hidden(id));
    const taken = window.take(delta.messages, this.rev, effects);
    for (const participant of delta.participants) effects.push(...this.participantChanged(participant));
    if (delta.conversation) effects.push(...this.conversationChanged(delta.conversation));
    this.cursor = delta.cursor;
    if (taken === 'sound' && (delta.more || !delta.head)) {
      effects.push({ type: 'sync' });
      return effects;
    }
    if (taken !== 'sound' || !delta.head || !window.agreesWith(delta.head)) {
      this.restart();
      if (taken !== 'overflow') effects.push({ type: 'diverged' });
      effects.push({ type: 'sync' });
      return effects;
    }
    this.#complete(delta.head, effects);
    return effects;
  }

  #miss(fromRev: number, toRev: number): void {
    const missed = this.#missed;
    this.#missed = { fromRev: Math.min(missed.fromRev, fromRev), toRev: Math.max(missed.toRev, toRev) };
  }

  #complete(head: Head, effects: Effect[]): void {
    for (const message of this.window.settle(head)) effects.push({ type: 'refused', message });
    this.rev = Math.max(this.rev, head.headRev);
    this.sinceRev = Math.min(this.sinceRev, this.rev);
    if (this.#missed.toRev <= this.rev) this.#missed = { fromRev: Number.POSITIVE_INFINITY, toRev: 0 };
    this.ready = true;
    if (this.window.announcedSeq === undefined) {
      this.window.announcedSeq = this.window.lastSeq;
      effects.push({ type: 'reset' });
    }
    this.#followQueued(effects);
  }

  #followQueued(effects: Effect[]): void {
    for (const [prev, head] of this.#heads) if (head.headRev <= this.rev) this.#heads.delete(prev);
    for (let head = this.#heads.get(this.rev); head; head = this.#heads.get(this.rev)) {
      if (this.#missed.toRev > this.rev && this.#missed.fromRev <= head.headRev) break;
      if (!this.window.promote(head, effects)) break;
      this.#heads.delete(this.rev);
      this.rev = head.headRev;
    }
    this.#dropDecided(effects);
  }

  /** Repetitions and rejected records leave no trace in the digest: a head names the position up to which they are decided. */
  #dropDecided(effects: Effect[]): void {
    const { rev, position } = this.#decided;
    if (!this.ready || this.rev < rev || position <= this.window.lastPosition) return;
    const { dropped, refused } = this.window.decide(position);
    for (const message of refused) effects.push({ type: 'refused', message });
    if (dropped > 0) effects.push({ type: 'reset' });
  }
}
