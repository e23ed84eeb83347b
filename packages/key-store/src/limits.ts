import { fail } from '@caas/kit';
import { maxKeysPerUser, maxTenantKeyVersions, maxUsersPerCall, type TenantKeys, type UserKeysChange } from './port.ts';

const atMost = (limit: string, value: number, max: number): void => {
  if (value > max) fail('INVALID_ARGUMENT', `more than ${max}`, { details: { limit, value: String(max) } });
};

/** Refuses a call that names or asks for more users than the port allows. */
export const assertUsers = (count: number): void => atMost('maxUsersPerCall', count, maxUsersPerCall);

export const assertChanges = (changes: readonly UserKeysChange[]): void => {
  assertUsers(changes.length);
  for (const { keys } of changes) atMost('maxKeysPerUser', keys.keys.length, maxKeysPerUser);
};

export const assertVersions = ({ keys }: Pick<TenantKeys, 'keys'>): void =>
  atMost('maxTenantKeyVersions', keys.length, maxTenantKeyVersions);
