import type { ConversationEntry, ConversationInfo, Head, Message, Participant } from './wire/resources.ts';

/** What a step brought about. */
export type DirectoryEffect = 'joined' | 'left' | 'changed' | 'unknown' | undefined;

/**
 * The user's own list of conversations, as of the last listing and kept in step by events. Unread counts are exact as
 * listed, then estimated from what arrives until the next listing.
 */
export class Directory {
  readonly #entries = new Map<string, ConversationEntry>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
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

  /** An entry as a node lists it. Beyond the bound new entries are left out. */
  learn(entry: ConversationEntry): DirectoryEffect {
    const { conversationId } = entry.conversation;
    const known = this.#entries.get(conversationId);
    if (entry.own.state !== 'ACTIVE') return this.remove(conversationId);
    if (!known && this.#entries.size >= this.#max) return undefined;
    this.#entries.set(conversationId, entry);
    return known ? 'changed' : 'joined';
  }

  remove(conversationId: string): DirectoryEffect {
    return this.#entries.delete(conversationId) ? 'left' : undefined;
  }

  /** `unknown`: the user has become a member; the entry is to be asked for. */
  conversationChanged(conversation: ConversationInfo): DirectoryEffect {
    const entry = this.#entries.get(conversation.conversationId);
    if (!entry) return 'unknown';
    if (conversation.metaRev < entry.conversation.metaRev) return undefined;
    return this.#set(entry, { conversation: { ...conversation, head: conversation.head ?? entry.conversation.head } });
  }

  headMoved(head: Head): void {
    const entry = this.#entries.get(head.conversationId);
    if (!entry || (entry.conversation.head && head.headRev <= entry.conversation.head.headRev)) return;
    this.#set(entry, { conversation: { ...entry.conversation, head } });
  }

  /** A message was accepted or found by a sync; counted when it is later than the last one known. */
  messageArrived(message: Message, isOwn: boolean): void {
    const entry = this.#entries.get(message.conversationId);
    if (!entry || message.position <= (entry.lastMessage?.position ?? 0)) return;
    this.#set(entry, {
      lastMessage: message,
      unreadCount: entry.unreadCount + (isOwn || message.deletedAtMs > 0 ? 0 : 1),
    });
  }

  messageChanged(message: Message): void {
    const entry = this.#entries.get(message.conversationId);
    if (entry?.lastMessage?.messageId === message.messageId) this.#set(entry, { lastMessage: message });
  }

  /** The user's own participation changed: came, went, or read on another device. */
  ownChanged(own: Participant): DirectoryEffect {
    const entry = this.#entries.get(own.conversationId);
    if (own.state !== 'ACTIVE') return this.remove(own.conversationId);
    if (!entry) return 'unknown';
    if (own.rev < entry.own.rev) return undefined;
    const readAll = own.readSeq > entry.own.readSeq && own.readSeq >= (entry.conversation.head?.lastSeq ?? 0);
    return this.#set(entry, { own, unreadCount: readAll ? 0 : entry.unreadCount });
  }

  #set(entry: ConversationEntry, fields: Partial<ConversationEntry>): 'changed' {
    this.#entries.set(entry.conversation.conversationId, { ...entry, ...fields });
    return 'changed';
  }
}
