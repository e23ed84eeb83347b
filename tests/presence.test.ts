import { until } from '@caas/kit/testing/until';
import { afterAll, afterEach, beforeAll, test } from '@jest/globals';
import { signIn, type TestPlatform, type TestUser, testPlatform } from './support/platform.ts';
import { type Frame, RawClient } from './support/raw-client.ts';

let platform: TestPlatform;
let [alice, bob]: TestUser[] = [];
let clients: RawClient[] = [];

beforeAll(async () => {
  platform = await testPlatform({ limits: { framesPerMinute: 100_000 } });
  [alice, bob] = [await signIn(platform, 'alice'), await signIn(platform, 'bob')];
});
afterEach(async () => {
  for (const client of clients) await client.close();
  clients = [];
});
afterAll(() => platform.stop());

const open = async (user: TestUser | undefined, node: number): Promise<RawClient> => {
  const client = await RawClient.open(platform.socketUrls[node] as string, user?.accessToken ?? '');
  clients.push(client);
  return client;
};

test('a user whose node crashed is online no more when it is back without them, and is again when they are', async () => {
  await open(alice, 0);
  const watcher = await open(bob, 1);
  const online = async (): Promise<boolean> => {
    const { presence } = await watcher.ask({ watchPresence: { userIds: [alice?.userId] } });
    return (presence.presences[0] as Frame).online === true;
  };
  await until('online', online, Boolean);
  await platform.services.get('socket-1')?.crash();
  await platform.services.get('socket-1')?.restart();
  // Long before what the crashed start had registered expires.
  await until('online no more', online, (is) => !is, 5_000);
  await open(alice, 0);
  await until('online again', online, Boolean);
});
