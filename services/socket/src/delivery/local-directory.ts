import { fail, type Logger } from '@caas/kit';
import type { MessageStore } from '@caas/message-store';
import type { ConversationDocument, ParticipantDocument } from '@caas/proto/caas/events/v1/documents';
import type { Connection } from '../edge/connection.ts';
import { conversationView, isActive, participantView } from '../model/views.ts';
import { LocalConversation, type LocalMember, LocalUser } from './local.ts';
import type { RegistrationSource, Registrations } from './registrations.ts';
import type { Turn } from './turn.ts';

const participationsPerPage = 500;
const conversationsPerCall = 500;

/**
 * Who is connected to this node and which conversations they are in. Memberships come from the store when a user's
 * first connection opens, and from head notices and the log after that.
 */
export class LocalDirectory implements RegistrationSource {
  readonly #store: MessageStore;
  readonly #turn: Turn;
  readonly #logger: Logger;
  readonly #users = new Map<string, LocalUser>();
  readonly #conversations = new Map<string, LocalConversation>();
  /** Newest membership revision seen while a user's memberships are being read, so that older ones don't overwrite it. */
  readonly #seenWhileLoading = new Map<LocalUser, Map<string, number>>();
  registrations: Registrations | undefined;

  constructor(store: MessageStore, turn: Turn, logger: Logger) {
    this.#store = store;
    this.#turn = turn;
    this.#logger = logger;
  }

  users(): Iterable<LocalUser> {
    return this.#users.values();
  }

  conversations(): Iterable<LocalConversation> {
    return this.#conversations.values();
  }

  get conversationCount(): number {
    return this.#conversations.size;
  }

  user(tenantId: string, userId: string): LocalUser | undefined {
    return this.#users.get(nameOf(tenantId, userId));
  }

  conversation(tenantId: string, conversationId: string): LocalConversation | undefined {
    return this.#conversations.get(nameOf(tenantId, conversationId));
  }

  /** Adds a connection and resolves when its user's conversations are attached. True: the user's first one here. */
  async connect(connection: Connection): Promise<boolean> {
    const { tenantId, userId } = connection.claims;
    const name = nameOf(tenantId, userId);
    let user = this.#users.get(name);
    if (user && user.connections.size >= connection.limits.maxConnections) {
      fail('TOO_MANY_CONNECTIONS', 'the user has too many open connections', {
        details: { limit: 'maxConnections', value: String(connection.limits.maxConnections), unit: 'connections' },
      });
    }
    const first = user === undefined;
    if (!user) {
      user = new LocalUser(tenantId, userId);
      this.#users.set(name, user);
    }
    const [other] = user.connections;
    if (other) connection.rates = other.rates;
    user.connections.add(connection);
    for (const conversation of user.conversations) conversation.connectionAdded(connection);
    user.ready ??= this.#load(user);
    try {
      await user.ready;
    } catch (error) {
      user.ready = undefined;
      throw error;
    }
    return first;
  }

  /** Removes a connection; true when it was the user's last one here. */
  disconnect(connection: Connection): boolean {
    const user = this.user(connection.claims.tenantId, connection.claims.userId);
    if (!user?.connections.delete(connection)) return false;
    for (const conversation of user.conversations) conversation.connectionsChanged();
    if (user.connections.size > 0) return false;
    this.#users.delete(nameOf(user.tenantId, user.userId));
    for (const conversation of [...user.conversations]) this.#detach(user, conversation);
    this.registrations?.removeUser(user);
    return true;
  }

  /**
   * The member a command of this connection acts as. What the node does not know it asks the store, so that a change
   * that was answered anywhere is found here at once. CONVERSATION_NOT_FOUND for whoever is not a member.
   */
  async member(
    connection: Connection,
    conversationId: string,
  ): Promise<{ conversation: LocalConversation; member: LocalMember }> {
    const { tenantId, userId } = connection.claims;
    const known = this.conversation(tenantId, conversationId);
    const member = known?.members.get(userId);
    if (known?.rules && member) return { conversation: known, member };
    const [participant] = await this.#store.participants.getMany([{ tenantId, conversationId, userId }]);
    if (!isActive(participant)) return fail('CONVERSATION_NOT_FOUND', 'no such conversation');
    const user = this.user(tenantId, userId) ?? fail('UNAVAILABLE', 'the connection is closing');
    const conversation = await this.#attachNow(user, participant);
    const attached = conversation.members.get(userId) ?? fail('CONVERSATION_NOT_FOUND', 'no such conversation');
    return { conversation, member: attached };
  }

  /** What can be said without waiting; undefined: ask `member`. */
  knownMember(
    connection: Connection,
    conversationId: string,
  ): { conversation: LocalConversation; member: LocalMember } | undefined {
    const conversation = this.conversation(connection.claims.tenantId, conversationId);
    const member = conversation?.rules && conversation.members.get(connection.claims.userId);
    return conversation && member ? { conversation, member } : undefined;
  }

  /** A participant's document as committed at `headRev`: attaches, updates or detaches the user where connected here. */
  applyParticipant(doc: ParticipantDocument, headRev: number): void {
    const user = this.user(doc.tenantId, doc.userId);
    if (!user) return;
    this.#seenWhileLoading.get(user)?.set(doc.conversationId, doc.rev);
    const conversation = this.conversation(doc.tenantId, doc.conversationId);
    const member = conversation?.members.get(doc.userId);
    for (const connection of user.connections) {
      connection.event({ event: { $case: 'participantChanged', value: participantView(doc, headRev, doc.userId) } });
    }
    if (isActive(doc)) {
      if (member) {
        member.role = doc.role;
        member.visibleFromSeq = doc.visibleFromSeq;
      } else {
        this.#attachNow(user, doc).then(
          (attached) => this.#tellJoined(user, attached),
          (error: unknown) => this.#logger.warn({ err: error }, 'a new membership could not be attached yet'),
        );
      }
    } else if (conversation && member) {
      this.#detach(user, conversation);
    }
  }

  /** Reads rules and heads of conversations that have none yet. */
  async loadRules(conversations: Iterable<LocalConversation>): Promise<void> {
    const missing = [...conversations].filter((c) => !c.rules);
    for (let i = 0; i < missing.length; i += conversationsPerCall) {
      const documents = await this.#store.conversations.getMany(missing.slice(i, i + conversationsPerCall));
      for (const doc of documents) if (doc) this.applyConversation(doc);
    }
  }

  /** A conversation's document: sets its rules, and where the node knew nothing also its head. */
  applyConversation(doc: ConversationDocument): void {
    const conversation = this.conversation(doc.tenantId, doc.conversationId);
    if (!conversation) return;
    conversation.rules = { kind: doc.kind, archived: doc.archivedAtMs !== 0 };
    if (conversation.headRev === 0) {
      conversation.headRev = doc.headRev;
      conversation.membersRev = doc.membersRev;
    }
  }

  async #load(user: LocalUser): Promise<void> {
    const seen = new Map<string, number>();
    this.#seenWhileLoading.set(user, seen);
    try {
      // Registered first, read after: a membership committed meanwhile is either read or noticed.
      await this.registrations?.addUser(user);
      const attached: LocalConversation[] = [];
      let after = '';
      for (;;) {
        const page = await this.#store.participants.ofUser(user.tenantId, user.userId, {
          afterConversationId: after,
          limit: participationsPerPage,
          activeOnly: true,
        });
        for (const doc of page)
          if ((seen.get(doc.conversationId) ?? 0) <= doc.rev) attached.push(this.#attach(user, doc));
        if (page.length < participationsPerPage) break;
        after = (page.at(-1) as ParticipantDocument).conversationId;
      }
      await Promise.all(attached.map((c) => this.registrations?.addConversation(c)));
      await this.loadRules(attached);
    } finally {
      this.#seenWhileLoading.delete(user);
      if (user.connections.size === 0)
        for (const conversation of [...user.conversations]) this.#detach(user, conversation);
    }
  }

  async #attachNow(user: LocalUser, doc: ParticipantDocument): Promise<LocalConversation> {
    const conversation = this.#attach(user, doc);
    conversation.fresh = true;
    await this.registrations?.addConversation(conversation);
    await this.loadRules([conversation]);
    if (!conversation.rules) fail('CONVERSATION_NOT_FOUND', 'no such conversation');
    return conversation;
  }

  #attach(user: LocalUser, doc: ParticipantDocument): LocalConversation {
    const name = nameOf(doc.tenantId, doc.conversationId);
    let conversation = this.#conversations.get(name);
    if (!conversation) {
      conversation = new LocalConversation(doc.tenantId, doc.conversationId);
      this.#conversations.set(name, conversation);
    }
    if (conversation.members.has(user.userId)) return conversation;
    this.#turn.settle(conversation);
    conversation.members.set(user.userId, { user, role: doc.role, visibleFromSeq: doc.visibleFromSeq });
    user.conversations.add(conversation);
    for (const connection of user.connections) conversation.connectionAdded(connection);
    return conversation;
  }

  #detach(user: LocalUser, conversation: LocalConversation): void {
    this.#turn.settle(conversation);
    conversation.members.delete(user.userId);
    conversation.connectionsChanged();
    user.conversations.delete(conversation);
    if (conversation.members.size > 0) return;
    this.#conversations.delete(nameOf(conversation.tenantId, conversation.conversationId));
    this.registrations?.removeConversation(conversation);
  }

  /** A user became a member: their connections are given the conversation. */
  async #tellJoined(user: LocalUser, conversation: LocalConversation): Promise<void> {
    const [doc] = await this.#store.conversations.getMany([conversation]);
    if (!doc) return;
    for (const connection of user.connections) {
      connection.event({ event: { $case: 'conversationChanged', value: conversationView(doc) } });
    }
  }
}

const nameOf = (tenantId: string, id: string): string => `${tenantId}\0${id}`;
