import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { aclRules, redisGrants } from '@caas/key-value';
import { expect, test } from '@jest/globals';
import { redisInstances } from './engines/redis.ts';

const linesOf = (instance: string): string[] =>
  readFileSync(join(import.meta.dirname, `../redis/${instance}.acl`), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('user '));

test.each(Object.keys(redisInstances))(
  '%s lets its users do what their services do, and nobody else anything',
  (name) => {
    const granted = redisGrants
      .filter(({ instance }) => `redis-${instance}` === name)
      .map((grant) => `user ${grant.user} reset on >\${REDIS_PASSWORD_${grant.user.toUpperCase()}} ${aclRules(grant)}`);
    expect(granted).not.toEqual([]);
    expect(linesOf(name)).toEqual([
      'user default reset off',
      `user admin reset on >\${REDIS_PASSWORD_ADMIN} ~* &* +@all`,
      ...granted,
    ]);
  },
);

test('every Redis somebody is granted has its file', () => {
  expect(Object.keys(redisInstances)).toEqual(
    expect.arrayContaining(redisGrants.map(({ instance }) => `redis-${instance}`)),
  );
});
