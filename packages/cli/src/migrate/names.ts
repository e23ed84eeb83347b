import { hash } from 'node:crypto';
import { userIdOf } from '@caas/account-store';
import { derivedId } from '@caas/kit';
import { ObjectId } from 'mongodb';

/*
 * Names on either side of what came from the other: derived, so that every run and every process finds the same ones.
 */

/** Which tenant of the old service becomes which tenant of CAAS. */
export interface Pair {
  /** The tenant in CAAS. */
  tenantId: string;
  /** The tenant as the old service calls it. */
  oldTenantId: string;
}

/** External ids are those by which the old service knows its users. */
export const userIdFor = ({ tenantId }: Pair, oldUserId: string): string => userIdOf(tenantId, oldUserId);

/**
 * A direct conversation gets the id that socket nodes derive for its two members (their create-conversation.ts), so that
 * whoever opens it anew finds it.
 */
export const conversationIdFor = (
  pair: Pair,
  old: { _id: ObjectId; type: 'direct' | 'group' | 'channel' },
  oldUserIds: readonly string[],
): string =>
  old.type === 'direct'
    ? derivedId('direct', pair.tenantId, ...oldUserIds.map((id) => userIdFor(pair, id)).sort())
    : derivedId('imported-conversation', pair.tenantId, old._id.toHexString());

export const messageIdFor = ({ tenantId }: Pair, oldId: ObjectId): string =>
  derivedId('imported-message', tenantId, oldId.toHexString());

/** Below every position of the log, so that what is said in CAAS comes after it; sorts like seq. */
const importedBase = -(2 ** 44);
export const importedPosition = (seq: number): number => importedBase + seq;

/** Whether a message came from the old service. Then its `client_msg_id` is the old `_id`. */
export const isImported = ({ position }: { position: number }): boolean => position < 0;

const oldIdBytes = 12;
const maxSecond = 2 ** 32 - 1;

/** `_id` in the old collections of something made in CAAS: its second, as ids of the old service begin, and a hash. */
export const oldIdFor = (atMs: number, ...parts: readonly string[]): ObjectId => {
  const bytes = hash('sha256', JSON.stringify(parts), 'buffer').subarray(0, oldIdBytes);
  bytes.writeUInt32BE(Math.max(0, Math.min(maxSecond, Math.floor(atMs / 1_000))));
  return new ObjectId(bytes);
};

/** `_id` of a message in the old collections. */
export const oldMessageIdOf = (message: {
  tenantId: string;
  messageId: string;
  clientMsgId: string;
  position: number;
  acceptedAtMs: number;
}): ObjectId =>
  isImported(message)
    ? new ObjectId(message.clientMsgId)
    : oldIdFor(message.acceptedAtMs, 'message', message.tenantId, message.messageId);
