import { type KeyValue, memoryKeyValue, setCanary, userConnectionsKey } from '@caas/key-value';
import { CaasError } from '@caas/kit';
import { Claims } from '@caas/proto/caas/common/v1/claims';
import { expect, test } from '@jest/globals';
import type { Connection } from '../edge/connection.ts';
import { defaultLimits } from '../limits.ts';
import { LocalUser } from './local.ts';
import { Registrations } from './registrations.ts';
import { UserConnections } from './user-connections.ts';

const quiet = { debug: () => undefined, warn: () => undefined } as never;
const maxConnections = 3;
const ttlMs = 60_000;
let connections = 0;

/** A node on the shared state, with a user's connections to it. */
const aNode = async (keyValue: KeyValue, nodeId: string) => {
  const user = new LocalUser('t', 'u');
  const source = { conversations: () => [], users: () => [user] };
  const registrations = new Registrations(keyValue, nodeId, source, { now: () => 0 }, quiet, () => undefined);
  const counted = new UserConnections(keyValue, registrations, quiet);
  await setCanary(keyValue, registrations, ttlMs);
  const leave = (connection: Connection): void => {
    user.connections.delete(connection);
    registrations.removeConnection(connection);
  };
  const enter = async (): Promise<Connection> => {
    const claims = Claims.fromPartial({ tenantId: 't', userId: 'u' });
    const limits = { ...defaultLimits, maxConnections };
    const connection = { id: ++connections, claims, limits } as unknown as Connection;
    user.connections.add(connection);
    await counted.admit(user, connection).catch((error: CaasError) => {
      leave(connection);
      throw error;
    });
    return connection;
  };
  return { enter, leave, user, registrations };
};
const tooMany = { reason: 'TOO_MANY_CONNECTIONS', details: { limit: 'maxConnections', value: '3' } };

test('a user’s connections count over all nodes, and one that is closed makes room', async () => {
  const keyValue = memoryKeyValue();
  const [one, two] = [await aNode(keyValue, 'a/b c'), await aNode(keyValue, 'd')];
  const first = await one.enter();
  await one.enter();
  await two.enter();
  await expect(two.enter()).rejects.toMatchObject(tooMany);
  await expect(one.enter()).rejects.toMatchObject(tooMany);
  one.leave(first);
  await two.enter();
});

test('connections of a node that is gone, or began anew, count no more', async () => {
  const keyValue = memoryKeyValue();
  const [one, two] = [await aNode(keyValue, 'one'), await aNode(keyValue, 'two')];
  for (let i = 0; i < maxConnections; i++) await one.enter();
  await expect(two.enter()).rejects.toMatchObject(tooMany);
  const again = await aNode(keyValue, 'one');
  await again.enter();
  await two.enter();
  await two.enter();
  await expect(two.enter()).rejects.toMatchObject(tooMany);
  // As when it has expired.
  await setCanary(keyValue, { nodeId: 'one', startId: 'none' }, ttlMs);
  await two.enter();
});

test('without the shared state everybody gets in', async () => {
  const keyValue = memoryKeyValue();
  const one = await aNode(keyValue, 'one');
  for (let i = 0; i < maxConnections; i++) await one.enter();
  keyValue.membersOf = () => Promise.reject(new CaasError('UNAVAILABLE', 'no'));
  await one.enter();
});

test('a connection that closes while it is registered leaves nothing behind', async () => {
  const keyValue = memoryKeyValue();
  const one = await aNode(keyValue, 'one');
  const entering = one.enter();
  for (const connection of one.user.connections) one.leave(connection);
  await entering;
  expect(await keyValue.membersOf([userConnectionsKey('t', 'u')])).toEqual([[]]);
});
