import { fail } from '@caas/kit';
import { maxListed } from './port.ts';

/** Greatest length of a key, in bytes. */
export const maxKeyBytes = 512;

const segment = /^[\w~.-]{1,128}$/;
const plainTenant = /^[\w-]{1,64}$/;

const isSegment = (text: string): boolean => segment.test(text) && !/^\.+$/.test(text);

/** The first segment of all keys of a tenant: its id, or, where that has other characters, an encoding no plain id has. */
const tenantSegment = (tenantId: string): string =>
  plainTenant.test(tenantId) ? tenantId : `~${Buffer.from(tenantId).toString('base64url')}`;

/** The key of an object of a tenant. INVALID_ARGUMENT for parts that are no segments. */
export const objectKey = (tenantId: string, ...parts: readonly string[]): string => {
  const key = [tenantSegment(tenantId), ...parts].join('/');
  assertKey(key);
  return key;
};

/** The prefix of the keys below a path of a tenant; without parts, of all its keys. */
export const objectPrefix = (tenantId: string, ...parts: readonly string[]): string => {
  const prefix = `${[tenantSegment(tenantId), ...parts].join('/')}/`;
  assertPrefix(prefix);
  return prefix;
};

export const assertKey = (key: string): void => {
  const segments = key.split('/');
  if (segments.length < 2 || key.length > maxKeyBytes || !segments.every(isSegment))
    fail('INVALID_ARGUMENT', 'not a key of an object');
};

export const assertPrefix = (prefix: string): void => {
  const segments = prefix.split('/');
  if (segments.pop() !== '' || segments.length === 0 || prefix.length > maxKeyBytes || !segments.every(isSegment))
    fail('INVALID_ARGUMENT', 'not a prefix of keys');
};

export const assertListed = (limit: number): void => {
  if (limit > maxListed)
    fail('INVALID_ARGUMENT', `more than ${maxListed}`, { details: { limit: 'maxListed', value: String(maxListed) } });
};
