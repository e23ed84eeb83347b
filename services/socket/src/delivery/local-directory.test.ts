import type { MessageStore } from '@caas/message-store';
import { Claims } from '@caas/proto/caas/common/v1/claims';
import { expect, test } from '@jest/globals';
import type { Connection } from '../edge/connection.ts';
import { defaultLimits } from '../limits.ts';
import { LocalDirectory } from './local-directory.ts';
import { Turn } from './turn.ts';

const quiet = { debug: () => undefined, warn: () => undefined } as never;
const maxConnections = 2;

test('a user has no more connections to a node than allowed, also when nothing is known of other nodes', async () => {
  const store = { participants: { ofUser: async () => [] } } as unknown as MessageStore;
  const directory = new LocalDirectory(store, new Turn(), { now: () => 0 }, quiet);
  const connect = (userId: string, id: number): Promise<void> => {
    const claims = Claims.fromPartial({ tenantId: 't', userId });
    const limits = { ...defaultLimits, maxConnections };
    return directory.connect({ id, claims, limits, rates: {}, shareRates: () => undefined } as unknown as Connection);
  };
  await connect('u', 1);
  await connect('u', 2);
  await expect(connect('u', 3)).rejects.toMatchObject({
    reason: 'TOO_MANY_CONNECTIONS',
    details: { limit: 'maxConnections', value: '2' },
  });
  await connect('other', 4);
});
