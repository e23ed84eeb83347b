import { type Clock, fail, type Logger } from '@caas/kit';
import { created, isActive, type MessageStore } from '@caas/message-store';
import type { ConversationDocument, ParticipantDocument } from '@caas/proto/caas/events/v1/documents';
import type { Connection } from '../edge/connection.ts';
import { decidedPositionOf } from '../model/decided.ts';
import { conversationView, participantView } from '../model/views.ts';
import { type KeptMembership, KeptMemberships } from './kept-memberships.ts';
import { KeptRates } from './kept-rates.ts';
import { LocalConversation, type LocalMember, LocalUser, type Membership } from './local.ts';
import { type LoadTarget, MembershipLoader } from './membership-loader.ts';
import type { RegistrationSource, Registrations } from './registrations.ts';
import type { Turn } from './turn.ts';
import { tooManyConnections, type UserConnections } from './user-connections.ts';

const conversationsPerCall = 500;

/**
 * Who is connected to this node and which conversations they are in. Memberships come from the store when a user's
 * first connection opens, and from head notices and the log after that.
 */
export class LocalDirectory implements RegistrationSource, LoadTarget {
  readonly #store: MessageStore;
  readonly #turn: Turn;
  readonly #logger: Logger;
  readonly #users = new Map<string, LocalUser>();
  readonly #conversations = new Map<string, LocalConversation>();
  readonly #keptRates: KeptRates;
  readonly #keptMemberships: KeptMemberships;
  readonly #loader: MembershipLoader;
  registrations: Registrations | undefined;
  userConnections: UserConnections | undefined;

  constructor(store: MessageStore, turn: Turn, clock: Clock, logger: Logger) {
    this.#keptRates = new KeptRates(clock);
    this.#keptMemberships = new KeptMemberships(clock);
    this.#loader = new MembershipLoader(store, this, logger);
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

  /** Adds a connection and resolves when its user may come in. */
  async connect(connection: Connection): Promise<void> {
    const { tenantId, userId } = connection.claims;
    const name = nameOf(tenantId, userId);
    let user = this.#users.get(name);
    if (user && user.connections.size >= connection.limits.maxConnections) {
      throw tooManyConnections(connection.limits.maxConnections);
    }
    if (!user) {
      user = new LocalUser(tenantId, userId);
      this.#users.set(name, user);
    }
    const [other] = user.connections;
    const rates = other?.rates ?? this.#keptRates.take(name);
    if (rates) connection.shareRates(rates);
    user.connections.add(connection);
    for (const conversation of user.conversations) conversation.connectionAdded(connection);
    user.ready ??= this.#loader.enter(user);
    const ready = user.ready.catch((error: unknown) => {
      user.ready = undefined;
      throw error;
    });
    await Promise.all([ready, this.userConnections?.admit(user, connection)]);
  }

  /** The connection has had its welcome. True: its user was not present here before. */
  becamePresent(connection: Connection): boolean {
    const user = this.user(connection.claims.tenantId, connection.claims.userId);
    if (!user || user.present) return false;
    user.present = true;
    return true;
  }

  /** Removes a connection; true when it was the user's last one here. */
  disconnect(connection: Connection): boolean {
    const user = this.user(connection.claims.tenantId, connection.claims.userId);
    if (!user?.connections.delete(connection)) return false;
    this.registrations?.removeConnection(connection);
    for (const conversation of user.conversations) conversation.connectionsChanged();
    if (user.connections.size > 0) return false;
    const name = nameOf(user.tenantId, user.userId);
    this.#users.delete(name);
    this.#keptRates.keep(name, connection.rates);
    this.#keptMemberships.keep(name, user);
    for (const conversation of [...user.conversations]) this.detach(user, conversation);
    user.left();
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
    // The head first: what the participation holds past it may not be committed. Both in any case: who is no member must
    // not learn from the time it takes whether there is such a conversation, whose id others can derive.
    const [head] = await this.#store.conversations.getMany([{ tenantId, conversationId }]);
    const [participant] = await this.#store.participants.getMany([{ tenantId, conversationId, userId }]);
    if (!created(head) || !isActive(participant)) return fail('CONVERSATION_NOT_FOUND', 'no such conversation');
    const user = this.user(tenantId, userId) ?? fail('UNAVAILABLE', 'the connection is closing');
    // The membership ended while it was read.
    if (participant.rev <= user.endedAt(conversationId)) fail('CONVERSATION_NOT_FOUND', 'no such conversation');
    const conversation = await this.#attachNow(user, participant, head.headRev);
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
    const conversation = this.conversation(doc.tenantId, doc.conversationId);
    const member = conversation?.members.get(doc.userId);
    // Read before what is known already, whichever way that came.
    if (doc.rev < (member?.rev ?? user.endedAt(doc.conversationId))) return;
    const active: boolean = isActive(doc);
    if (!member && active && doc.rev === user.endedAt(doc.conversationId)) return;
    // What came before goes first: nobody is told that they were removed and then what was said before that.
    if (conversation) this.#turn.settle(conversation);
    for (const connection of user.connections) {
      connection.event({ event: { $case: 'participantChanged', value: participantView(doc, headRev, doc.userId) } });
    }
    if (active) {
      if (conversation && member) {
        takeOver(conversation, member, doc, Math.min(doc.rev, headRev));
      } else {
        this.#attachNow(user, doc, headRev).then(
          (attached) => this.#tellJoined(user, attached),
          (error: unknown) => this.#logger.warn({ err: error }, 'a new membership could not be attached yet'),
        );
      }
    } else {
      user.ended(doc.conversationId, Math.min(doc.rev, headRev));
      if (conversation && member) this.detach(user, conversation);
    }
  }

  /** Memberships of a user who was here a moment ago. */
  takeKept({ tenantId, userId }: LocalUser): KeptMembership[] {
    return this.#keptMemberships.take(nameOf(tenantId, userId));
  }

  /** The log has a change of a membership: what is kept of one is not to be relied on. */
  membershipChanges(tenantId: string, userId: string, conversationId: string): void {
    this.#keptMemberships.changed(nameOf(tenantId, userId), conversationId);
  }

  /** Reads rules and heads of conversations that have none yet. */
  async loadRules(conversations: Iterable<LocalConversation>): Promise<void> {
    const missing = [...conversations].filter((c) => !c.rules);
    for (let i = 0; i < missing.length; i += conversationsPerCall) {
      const documents = await this.#store.conversations.getMany(missing.slice(i, i + conversationsPerCall));
      for (const doc of documents) if (created(doc)) this.applyConversation(doc);
    }
  }

  /** A conversation's document: sets its rules, and where the node knew nothing also its head. */
  applyConversation(doc: ConversationDocument): void {
    const conversation = this.conversation(doc.tenantId, doc.conversationId);
    if (!conversation) return;
    if (doc.metaRev >= conversation.metaRev) {
      conversation.metaRev = doc.metaRev;
      const { kind, archivedAtMs, historyForNewMembers } = doc;
      conversation.rules = { kind, archived: archivedAtMs !== 0, hidesHistory: !historyForNewMembers };
    }
    if (conversation.headRev === 0) {
      conversation.headRev = doc.headRev;
      conversation.decidedPosition = decidedPositionOf(doc.lastPosition, doc.offsets);
      conversation.membersRev = doc.membersRev;
    }
  }

  async #attachNow(user: LocalUser, doc: ParticipantDocument, headRev: number): Promise<LocalConversation> {
    const conversation = this.attach(user, doc, Math.min(doc.rev, headRev));
    conversation.fresh = true;
    await this.registrations?.addConversation(conversation);
    await this.loadRules([conversation]);
    if (!conversation.rules) fail('CONVERSATION_NOT_FOUND', 'no such conversation');
    return conversation;
  }

  /** Makes the user a member here, as of a revision; `known` is the conversation where it is not here (any more). */
  attach(user: LocalUser, doc: Membership, rev: number, known?: LocalConversation): LocalConversation {
    const name = nameOf(doc.tenantId, doc.conversationId);
    let conversation = this.#conversations.get(name);
    if (!conversation) {
      conversation = known ?? new LocalConversation(doc.tenantId, doc.conversationId);
      this.#conversations.set(name, conversation);
    }
    const member = conversation.members.get(user.userId);
    if (member) {
      if (rev > member.rev) takeOver(conversation, member, doc, rev);
      return conversation;
    }
    this.#turn.settle(conversation);
    const joined = { user, role: doc.role, visibleFromSeq: 0, visibleFromPosition: 0, rev };
    takeOver(conversation, joined, doc, rev);
    conversation.members.set(user.userId, joined);
    user.conversations.add(conversation);
    for (const connection of user.connections) conversation.connectionAdded(connection);
    return conversation;
  }

  detach(user: LocalUser, conversation: LocalConversation): void {
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
    if (!created(doc) || !conversation.members.has(user.userId)) return;
    for (const connection of user.connections) {
      connection.event({ event: { $case: 'conversationChanged', value: conversationView(doc) } });
    }
  }
}

const takeOver = (
  conversation: LocalConversation,
  member: LocalMember,
  { role, visibleFromSeq, visibleFromPosition }: Membership,
  rev: number,
): void => {
  Object.assign(member, { role, visibleFromSeq, visibleFromPosition, rev });
  conversation.latestJoinPosition = Math.max(conversation.latestJoinPosition, visibleFromPosition);
};

const nameOf = (tenantId: string, id: string): string => `${tenantId}\0${id}`;
