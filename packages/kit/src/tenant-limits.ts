import type { TenantLimits } from '@caas/proto/caas/common/v1/claims';

/**
 * What a tenant's limits may be raised to, and no setting promises more; units as in caas.common.v1.TenantLimits. The
 * first three are caps of the contract itself (`limit` options of PlainContent), the fourth that of persistence: past
 * them a command is refused whatever a tenant was promised.
 */
export const tenantLimitCeilings: Readonly<Record<keyof TenantLimits, number>> = {
  maxTextBytes: 16_384,
  maxAttachments: 30,
  maxMentions: 100,
  maxReactionKinds: 50,
  maxMembers: 100_000,
  maxConversations: 10_000,
  sendsPerSecond: 1_000,
  sendsBurst: 10_000,
  framesPerMinute: 60_000,
  maxConnections: 100,
};

/** Users over all reactions of one message, each kind counted: nodes refuse a further one, persistence drops it. */
export const maxReactionUsers = 1_000;

/** Pinned messages of one conversation: nodes refuse a further one, persistence drops it. */
export const maxPins = 100;
