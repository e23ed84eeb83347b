import { CaasError, chunksOf } from '@caas/kit';
import type { MessageStore } from '@caas/message-store';
import { type HoldRecord, maxPrivacyPerCall, type PrivacyStore } from '@caas/privacy-store';

type Parts = { store: Pick<PrivacyStore, 'holds'>; messages: Pick<MessageStore, 'participants'> };

/** A tenant's holds, as the sweep of its conversations asks them. */
export class Holds {
  readonly #tenant: HoldRecord | undefined;
  readonly #users: ReadonlySet<string>;
  readonly #conversations: ReadonlySet<string>;

  constructor(holds: readonly HoldRecord[]) {
    this.#tenant = holds.find(({ userId, conversationId }) => userId === '' && conversationId === '');
    this.#users = new Set(holds.map(({ userId }) => userId).filter((id) => id !== ''));
    this.#conversations = new Set(holds.map(({ conversationId }) => conversationId).filter((id) => id !== ''));
  }

  /** Whether a message has to stay. */
  holds(conversationId: string, senderId: string): boolean {
    return this.#tenant !== undefined || this.#conversations.has(conversationId) || this.#users.has(senderId);
  }
}

/** The hold that keeps a user from being erased: on them, on the tenant, or on a conversation they are or were in. */
export const holdOn = async (
  { store, messages }: Parts,
  tenantId: string,
  userId: string,
): Promise<HoldRecord | undefined> => {
  const holds = await store.holds.list(tenantId);
  const direct = holds.find((hold) => hold.userId === userId || (hold.userId === '' && hold.conversationId === ''));
  if (direct) return direct;
  const conversations = holds.filter(({ conversationId }) => conversationId !== '');
  for (const chunk of chunksOf(conversations, maxPrivacyPerCall)) {
    const keys = chunk.map(({ conversationId }) => ({ tenantId, conversationId, userId }));
    const found = await messages.participants.getMany(keys);
    const at = found.findIndex((participant) => participant !== undefined);
    if (at >= 0) return chunk[at];
  }
  return undefined;
};

/** The refusal of what a hold forbids. Why somebody holds it is for those who may list holds. */
export const underHold = ({ holdId, userId, conversationId }: HoldRecord): CaasError => {
  const held = userId !== '' ? 'user' : conversationId !== '' ? 'conversation' : 'tenant';
  return new CaasError('LEGAL_HOLD', `the ${held} is under legal hold`, { details: { hold_id: holdId, held } });
};
