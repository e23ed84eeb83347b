import { setTimeout as sleep } from 'node:timers/promises';
import { CaasError, type Logger, retrying, toCaasError } from '@caas/kit';
import type { MessageStore } from '@caas/message-store';
import type { ParticipantDocument } from '@caas/proto/caas/events/v1/documents';
import type { KeptMembership } from './kept-memberships.ts';
import type { LocalConversation, LocalUser, Membership } from './local.ts';
import type { Registrations } from './registrations.ts';

const participationsPerPage = 500;
/** How long an entry waits for the store before it goes on with what the node knows, ms. */
const entryWaitMs = 2_000;
/** Waits between attempts to load what could not be loaded at an entry, ms: first bound, and the greatest. */
const againMs = { baseMs: 500, capMs: 5_000 };

/** The directory, as far as loading into it goes. */
export interface LoadTarget {
  readonly registrations: Registrations | undefined;
  conversation(tenantId: string, conversationId: string): LocalConversation | undefined;
  attach(user: LocalUser, membership: Membership, rev: number, known?: LocalConversation): LocalConversation;
  detach(user: LocalUser, conversation: LocalConversation): void;
  loadRules(conversations: Iterable<LocalConversation>): Promise<void>;
  /** Memberships of a user who was here a moment ago. */
  takeKept(user: LocalUser): KeptMembership[];
}

/**
 * Brings a user's memberships from the store when the user's first connection opens. Where the store does not answer, the
 * user is let in with what the node knows and told `limited` once the rest is there: live conversations go on without it.
 */
export class MembershipLoader {
  readonly #store: MessageStore;
  readonly #target: LoadTarget;
  readonly #logger: Logger;

  constructor(store: MessageStore, target: LoadTarget, logger: Logger) {
    this.#store = store;
    this.#target = target;
    this.#logger = logger;
  }

  /** Resolves when the user may come in: with all conversations, or late ones to follow. */
  async enter(user: LocalUser): Promise<void> {
    const kept = this.#target.takeKept(user);
    const entered = new AbortController();
    const loading = this.#load(user);
    try {
      const late = sleep(entryWaitMs, undefined, { signal: entered.signal, ref: false }).catch(() => undefined);
      if (await Promise.race([loading, late])) return;
    } catch (error) {
      if (!(error instanceof CaasError && error.retryable)) throw error;
    } finally {
      entered.abort();
    }
    const revived = kept.filter(({ membership, rev }) => rev > user.endedAt(membership.conversationId));
    for (const { membership, rev, conversation } of revived) this.#revive(user, membership, rev, conversation);
    void this.#loadLater(user, loading, revived);
  }

  #revive(user: LocalUser, membership: Membership, rev: number, known: LocalConversation): void {
    const conversation = this.#target.attach(user, membership, rev, known);
    // What it was told while nobody was here is read anew as soon as that can be.
    conversation.membersStale++;
    conversation.fresh = true;
    void this.#target.registrations?.addConversation(conversation);
  }

  async #loadLater(
    user: LocalUser,
    first: Promise<ReadonlySet<LocalConversation>>,
    revived: readonly KeptMembership[],
  ): Promise<void> {
    const options = {
      maxAttempts: Number.POSITIVE_INFINITY,
      ...againMs,
      when: () => true,
      onRetry: ({ error }: { error: unknown }) =>
        this.#logger[toCaasError(error).reason === 'INTERNAL' ? 'error' : 'debug'](
          { err: error },
          'memberships could not be loaded yet',
        ),
    };
    let loaded: ReadonlySet<LocalConversation>;
    try {
      loaded = await retrying('memberships', options, (n) => (n === 1 ? first : this.#load(user)), user.gone);
    } catch {
      return; // the user has left
    }
    for (const { membership, rev } of revived) {
      const conversation = this.#target.conversation(membership.tenantId, membership.conversationId);
      // Kept, and ended while nobody told this node.
      if (conversation && !loaded.has(conversation) && conversation.members.get(user.userId)?.rev === rev)
        this.#target.detach(user, conversation);
    }
    for (const connection of user.connections)
      connection.event({ event: { $case: 'limited', value: { conversationId: '', startSeq: 0, startDigest: '' } } });
  }

  async #load(user: LocalUser): Promise<ReadonlySet<LocalConversation>> {
    const target = this.#target;
    try {
      // Registered first, read after: a membership committed meanwhile is either read or noticed.
      await target.registrations?.addUser(user);
      const attached = new Set<LocalConversation>();
      let after = '';
      for (;;) {
        const page = await this.#store.participants.ofUser(user.tenantId, user.userId, {
          afterConversationId: after,
          limit: participationsPerPage,
          activeOnly: true,
        });
        for (const doc of page)
          if (doc.rev > user.endedAt(doc.conversationId)) attached.add(target.attach(user, doc, doc.rev));
        if (page.length < participationsPerPage) break;
        after = (page.at(-1) as ParticipantDocument).conversationId;
      }
      await Promise.all([...attached].map((c) => target.registrations?.addConversation(c)));
      await target.loadRules(attached);
      // A participation may have been read ahead of its commit; what is committed then must not count as older.
      for (const conversation of attached) {
        const member = conversation.members.get(user.userId);
        if (member) member.rev = Math.min(member.rev, conversation.headRev);
      }
      return attached;
    } finally {
      if (user.connections.size === 0)
        for (const conversation of [...user.conversations]) target.detach(user, conversation);
    }
  }
}
