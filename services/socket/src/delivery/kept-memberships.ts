import type { Clock } from '@caas/kit';
import type { LocalConversation, LocalUser, Membership } from './local.ts';

/** How long the memberships of a user without connections are kept, ms. */
const keptMs = 120_000;
/** Memberships kept, of all users; the first to have left are forgotten first. */
const maxKept = 100_000;

export interface KeptMembership {
  membership: Membership;
  rev: number;
  /** The conversation as the node knew it last: its rules and how far its members had been told. */
  conversation: LocalConversation;
}

/**
 * Memberships of users who have just left, for when they come back while the store is away. What the log says of one
 * meanwhile ends its being kept.
 */
export class KeptMemberships {
  readonly #clock: Clock;
  /** By user in the order they left, then by conversation. */
  readonly #kept = new Map<string, { memberships: Map<string, KeptMembership>; untilMs: number }>();
  #count = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  keep(name: string, user: LocalUser): void {
    this.#drop(name);
    const now = this.#clock.now();
    const memberships = new Map<string, KeptMembership>();
    for (const conversation of user.conversations) {
      const member = conversation.members.get(user.userId);
      if (!member) continue;
      const { role, visibleFromSeq, visibleFromPosition, rev } = member;
      const { tenantId, conversationId } = conversation;
      const membership = { tenantId, conversationId, role, visibleFromSeq, visibleFromPosition };
      memberships.set(conversationId, { membership, rev, conversation });
    }
    this.#kept.set(name, { memberships, untilMs: now + keptMs });
    this.#count += memberships.size;
    for (const [oldest, { untilMs }] of this.#kept) {
      if (untilMs > now && this.#count <= maxKept) return;
      this.#drop(oldest);
    }
  }

  /** Who is in and in which role changed in the log. */
  changed(name: string, conversationId: string): void {
    if (this.#kept.get(name)?.memberships.delete(conversationId)) this.#count--;
  }

  /** What is kept of a user who comes back; it is not kept any more. */
  take(name: string): KeptMembership[] {
    const kept = this.#kept.get(name);
    this.#drop(name);
    return kept && kept.untilMs > this.#clock.now() ? [...kept.memberships.values()] : [];
  }

  #drop(name: string): void {
    this.#count -= this.#kept.get(name)?.memberships.size ?? 0;
    this.#kept.delete(name);
  }
}
