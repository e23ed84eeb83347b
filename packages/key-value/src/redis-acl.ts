import { createHash } from 'node:crypto';

/** The five Redis, by the name in their variable `REDIS_<NAME>_URL`. */
export type RedisInstance = 'gateway' | 'socket' | 'shared' | 'compliance' | 'crypto';

/** What a service may touch on one Redis: its user has the service's name. */
export interface RedisGrant {
  readonly instance: RedisInstance;
  readonly user: string;
  /** Patterns of the keys it reads and writes. */
  readonly keys: readonly string[];
  /** Patterns of the keys it only reads. */
  readonly readOnlyKeys?: readonly string[];
  /** Patterns of the channels it publishes to and subscribes to. */
  readonly channels?: readonly string[];
}

/**
 * Every user of the five Redis. Patterns follow the kinds of keys.ts; `session`, `conversation`, `cache`, `audit`, `gdpr` and
 * `key` are reserved for what DESIGN.md puts there. Nobody may look at all keys, flush, or change settings.
 */
export const redisGrants: readonly RedisGrant[] = [
  { instance: 'gateway', user: 'gateway', keys: ['rate:*', 'session:*'] },
  { instance: 'gateway', user: 'auth', keys: ['rate:*', 'session:*'] },
  {
    instance: 'socket',
    user: 'socket',
    keys: ['interest:*', 'user-nodes:*', 'presence:*', 'watchers:*', 'node:*'],
    channels: ['inbox:*'],
  },
  {
    instance: 'socket',
    user: 'persistence',
    keys: [],
    readOnlyKeys: ['interest:*', 'user-nodes:*', 'node:*'],
    channels: ['inbox:*'],
  },
  { instance: 'shared', user: 'gateway', keys: ['cache:*'], readOnlyKeys: ['conversation:*'] },
  { instance: 'shared', user: 'socket', keys: ['conversation:*', 'cache:*'] },
  { instance: 'shared', user: 'persistence', keys: ['conversation:*', 'cache:*'] },
  { instance: 'compliance', user: 'compliance', keys: ['audit:*', 'gdpr:*'] },
  { instance: 'crypto', user: 'crypto', keys: ['key:*'] },
];

/**
 * `info` is the client's look whether Redis still loads; `cluster slots` where a Cluster keeps what; `time` is the clock that
 * members of sets go by.
 */
const commands = '-@all +@connection +@read +@write +@scripting +@pubsub -@dangerous +info +time +cluster|slots';

/** What a grant allows, as the end of a user's line in an ACL file of Redis 7; `keyPrefix` is that of the adapters. */
export const aclRules = ({ keys, readOnlyKeys = [], channels = [] }: RedisGrant, keyPrefix = ''): string =>
  [
    ...keys.map((key) => `~${keyPrefix}${key}`),
    ...readOnlyKeys.map((key) => `%R~${keyPrefix}${key}`),
    ...channels.map((channel) => `&${keyPrefix}${channel}`),
    commands,
  ].join(' ');

/** A user's whole line, with the password's SHA-256 only. The default user is another line's to switch off. */
export const aclLine = (grant: RedisGrant, password: string, keyPrefix = ''): string =>
  `user ${grant.user} reset on #${createHash('sha256').update(password).digest('hex')} ${aclRules(grant, keyPrefix)}`;
