import { randomUUID } from 'node:crypto';
import { keyValueContract, nodeInboxContract, rateLimitsContract } from './contract.ts';
import { openRedisKeyValue, openRedisNodeInbox, openRedisRateLimits } from './index.ts';

const urlOf = (variable: string): string => {
  const url = process.env[variable];
  if (!url) throw new Error(`${variable} is not set: it names the Redis to test on; npm run test:engines sets it`);
  return url;
};

/** What no other run has; under the patterns that services have, too. */
const fresh = (kind: string): string => `${kind}:test-${randomUUID()}:`;
const onFault = (): void => undefined;

keyValueContract('Redis', () =>
  openRedisKeyValue({ urls: [urlOf('REDIS_SOCKET_URL')], keyPrefix: fresh('interest'), onFault }),
);
nodeInboxContract('Redis', () =>
  openRedisNodeInbox({ urls: [urlOf('REDIS_SOCKET_URL')], keyPrefix: fresh('inbox'), onFault }),
);
rateLimitsContract('Redis', () =>
  openRedisRateLimits({ urls: [urlOf('REDIS_GATEWAY_URL')], keyPrefix: fresh('rate'), onFault }),
);
