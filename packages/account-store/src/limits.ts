import { derivedId, fail } from '@caas/kit';
import { maxMetadataBytes, maxMetadataEntries, type User } from './port.ts';

/** Refuses a call that names or asks for more than a limit of the port allows. */
export const atMost = (limit: string, value: number, max: number): void => {
  if (value > max) fail('INVALID_ARGUMENT', `more than ${max}`, { details: { limit, value: String(max) } });
};

export const checkMetadata = (metadata: Readonly<Record<string, string>> | undefined): void => {
  if (!metadata) return;
  atMost('maxMetadataEntries', Object.keys(metadata).length, maxMetadataEntries);
  atMost('maxMetadataBytes', Buffer.byteLength(JSON.stringify(metadata)), maxMetadataBytes);
};

/** The pseudonymous id of a user: the same in every service, with no look-up. */
export const userIdOf = (tenantId: string, externalId: string): string => derivedId('user', tenantId, externalId);

/** What of a user is taken out when they are erased. */
export const nobody = { externalId: '', displayName: '', avatarUrl: '', metadata: {}, deactivated: true } as const;

/** A user as first seen. */
export const newUser = (seen: {
  tenantId: string;
  externalId: string;
  displayName?: string | undefined;
  nowMs: number;
}): User => ({
  tenantId: seen.tenantId,
  userId: userIdOf(seen.tenantId, seen.externalId),
  externalId: seen.externalId,
  displayName: seen.displayName ?? '',
  avatarUrl: '',
  metadata: {},
  createdAtMs: seen.nowMs,
  updatedAtMs: seen.nowMs,
  deactivated: false,
});
