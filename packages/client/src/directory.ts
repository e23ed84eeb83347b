import { type Known, UnreadTally } from './unread-tally.ts';
import type { ConversationEntry, ConversationInfo, Head, Message, Participant } from './wire/resources.ts';

/** What a step brought about. */
export type DirectoryEffect = 'joined' | 'left' | 'changed' | 'unknown' | undefined;

export interface DirectoryOptions {
  /** Entries kept; more are left out. */
  readonly maxConversations: number;
  readonly userId: () => string;
  /** The unread count of a conversation may be wrong. */
  readonly onDoubt: (conversationId: string) => void;
}

/**
 * The user's own list of conversations, as of the last listing and kept in step by events. Unread counts are exact, or in
 * doubt until the node is asked again.
 */
export class Directory {
  readonly #entries = new Map<string, ConversationEntry>();
  /** Of conversations in which something happened since they were listed. */
  readonly #tallies = new Map<string, UnreadTally>();
  readonly #options: DirectoryOptions;

  constructor(options: DirectoryOptions) {
    this.#options = options;
  }

  get(conversationId: string): ConversationEntry | undefined {
    return this.#entries.get(conversationId);
  }

  values(): ConversationEntry[] {
    return [...this.#entries.values()];
  }

  ids(): string[] {
    return [...this.#entries.keys()];
  }

  /** Whether the node should be asked for an entry: it is not here, or its unread count is in doubt. */
  needs(conversationId: string): boolean {
    const isKnown = this.#entries.has(conversationId);
    return isKnown ? this.#tallies.get(conversationId)?.inDoubt === true : !this.#isFull;
  }

  /** An entry as a node lists it; what is known to be newer stays. */
  learn(entry: ConversationEntry): DirectoryEffect {
    const { conversationId } = entry.conversation;
    const known = this.#entries.get(conversationId);
    if (entry.own.state !== 'ACTIVE') return this.remove(conversationId);
    if (!known) {
      if (this.#isFull) return undefined;
      this.#entries.set(conversationId, entry);
      return 'joined';
    }
    const tally = this.#tallyOf(known);
    const own = entry.own.rev < known.own.rev ? known.own : entry.own;
    tally.rebase(entry, own);
    const isOlder = revOf(entry) < revOf(known);
    const keepsLast = isOlder || (known.lastMessage !== undefined && tally.isPending(known.lastMessage.messageId));
    const info = entry.conversation.metaRev < known.conversation.metaRev ? known.conversation : entry.conversation;
    const conversation = { ...info, head: isOlder ? known.conversation.head : entry.conversation.head };
    return this.#set({ ...known, conversation, own, lastMessage: keepsLast ? known.lastMessage : entry.lastMessage });
  }

  remove(conversationId: string): DirectoryEffect {
    this.#tallies.delete(conversationId);
    return this.#entries.delete(conversationId) ? 'left' : undefined;
  }

  /** `unknown`: the user has become a member; the entry is to be asked for. */
  conversationChanged(conversation: ConversationInfo): DirectoryEffect {
    const entry = this.#entries.get(conversation.conversationId);
    if (!entry) return 'unknown';
    if (conversation.metaRev < entry.conversation.metaRev) return undefined;
    return this.#set({ ...entry, conversation: { ...conversation, head: entry.conversation.head } });
  }

  headMoved(head: Head): void {
    const entry = this.#entries.get(head.conversationId);
    if (!entry) return;
    this.#tallyOf(entry).headMoved(head);
    const isNewer = head.headRev > revOf(entry);
    this.#set(isNewer ? { ...entry, conversation: { ...entry.conversation, head } } : entry);
  }

  /** A message was accepted. */
  messageArrived(message: Message): DirectoryEffect {
    const entry = this.#entries.get(message.conversationId);
    if (!entry) return 'unknown';
    const isNew = this.#tallyOf(entry).arrived(message, this.#isOwn(message));
    const isLast = isNew && message.position > (entry.lastMessage?.position ?? 0);
    return this.#set(isLast ? { ...entry, lastMessage: message } : entry);
  }

  messageChanged(message: Message): void {
    const entry = this.#entries.get(message.conversationId);
    if (!entry) return;
    if (message.deletedAtMs > 0) this.#tallyOf(entry).deleted(message, this.#isOwn(message));
    const isLast = entry.lastMessage?.messageId === message.messageId && message.rev > entry.lastMessage.rev;
    this.#set(isLast ? { ...entry, lastMessage: message } : entry);
  }

  /** An accepted message was refused after all. */
  rejected(conversationId: string, messageId: string, position: number): void {
    const entry = this.#entries.get(conversationId);
    if (!entry) return;
    const tally = this.#tallyOf(entry);
    tally.rejected(messageId, position);
    // What was last before it, the node knows.
    const wasLast = entry.lastMessage?.messageId === messageId && entry.lastMessage.seq === 0;
    if (wasLast && !tally.isPending(messageId)) tally.doubt(0);
    this.#set(entry);
  }

  /** Events of a conversation were lost. */
  missed(conversationId: string): void {
    const entry = this.#entries.get(conversationId);
    if (!entry) return;
    this.#tallyOf(entry).doubt(0);
    this.#set(entry);
  }

  /** The user's own participation changed: came, went, or read on another device. */
  ownChanged(own: Participant): DirectoryEffect {
    const entry = this.#entries.get(own.conversationId);
    if (own.state !== 'ACTIVE') return this.remove(own.conversationId);
    if (!entry) return 'unknown';
    if (own.rev < entry.own.rev) return undefined;
    this.#tallyOf(entry).read(own.readSeq, own.rev);
    return this.#set({ ...entry, own });
  }

  /** An open conversation knows more, or may settle a doubt. */
  reconcile(conversationId: string, known: Known): void {
    const entry = this.#entries.get(conversationId);
    if (!entry) return;
    const tally = this.#tallyOf(entry);
    const { window } = known;
    const isOwn = (message: Message) => this.#isOwn(message);
    const pending = window.pendingUpTo(Number.POSITIVE_INFINITY);
    for (const message of pending) tally.arrived(message, isOwn(message));
    const isAsked = known.ready && (tally.inDoubt || known.rev > tally.rev);
    const adopted = isAsked && tally.adopt(known, isOwn);
    if (isAsked && !adopted && known.rev > tally.rev) tally.doubt(known.rev);
    const last = pending.at(-1) ?? window.committed.at(-1);
    const isLater = last && (adopted || last.position > (entry.lastMessage?.position ?? Number.NEGATIVE_INFINITY));
    const { messageId, seq } = entry.lastMessage ?? { messageId: '', seq: -1 };
    const wasNone = adopted && seq === 0 && !window.get(messageId) && !window.pending.has(messageId);
    this.#set(isLater || wasNone ? { ...entry, lastMessage: last } : entry);
  }

  get #isFull(): boolean {
    return this.#entries.size >= this.#options.maxConversations;
  }

  #isOwn(message: Message): boolean {
    return message.senderId === this.#options.userId();
  }

  #tallyOf(entry: ConversationEntry): UnreadTally {
    const { conversationId } = entry.conversation;
    let tally = this.#tallies.get(conversationId);
    if (!tally) {
      tally = new UnreadTally(entry);
      this.#tallies.set(conversationId, tally);
    }
    return tally;
  }

  /** Keeps an entry with its count as it is now. */
  #set(entry: ConversationEntry): 'changed' {
    const { conversationId } = entry.conversation;
    const tally = this.#tallies.get(conversationId);
    const unreadCount = tally?.count ?? entry.unreadCount;
    if (entry !== this.#entries.get(conversationId) || unreadCount !== entry.unreadCount) {
      this.#entries.set(conversationId, { ...entry, unreadCount });
    }
    if (tally?.inDoubt) this.#options.onDoubt(conversationId);
    return 'changed';
  }
}

const revOf = (entry: ConversationEntry): number => entry.conversation.head?.headRev ?? 0;
