import { derivedId } from '@caas/kit';
import type { UserKeysName } from './port.ts';

/** The name of a user's keys: the same for whoever derives it, and it tells nobody which user. */
export const userKeysName = (tenantId: string, userId: string): UserKeysName => ({
  tenantId,
  ref: derivedId('data keys', tenantId, userId),
});

const keyIdPattern = /^([\w-]{22})\.([1-9]\d{0,5})$/;

/** Id of a data key, unique in the installation: it leads to its document with no index. */
export const dataKeyId = (ref: string, generation: number): string => `${ref}.${generation}`;

/** What an id says; undefined for what is none. */
export const dataKeyOf = (keyId: string): { ref: string; generation: number } | undefined => {
  const [, ref, generation] = keyIdPattern.exec(keyId) ?? [];
  return ref === undefined ? undefined : { ref, generation: Number(generation) };
};
