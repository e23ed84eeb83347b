import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Engines, type Services, startEngines, startServices } from '@caas/infra';
import { until } from '@caas/kit/testing/until';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { signIn } from './support/platform.ts';
import { type Frame, RawClient } from './support/raw-client.ts';
import { expectRefusal } from './support/refusal.ts';

let dataDir: string;
let engines: Engines;
let services: Services;
let app: { appId: string; appSecret: string };

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'caas-search-'));
  engines = await startEngines({
    only: ['kafka', 'redis', 'mongodb', 'opensearch'],
    dataDir: join(dataDir, 'engines'),
    ports: 'free',
  });
  services = await startServices({
    envOf: (service) => engines.envOf(service as 'search'),
    dataDir,
    // It is asked again and again until it is there.
    settings: { socket: { SOCKET_FRAMES_PER_MINUTE: '100000' } },
  });
  app = await services.createApp('acme');
}, 180_000);
afterAll(async () => {
  await services?.stop();
  await engines?.stop();
  await rm(dataDir, { recursive: true, force: true });
}, 60_000);

const enter = async (name: string, node: number): Promise<RawClient & { userId: string }> => {
  const user = await signIn({ gatewayUrl: services.gatewayUrl, app }, name);
  return Object.assign(await RawClient.open(services.socketUrls[node] as string, user.accessToken), {
    userId: user.userId,
  });
};
const ask = async (client: RawClient, query: string): Promise<Frame> =>
  client.ask({ searchMessages: { query } }, 10_000);
const found = (client: RawClient, query: string, count: number): Promise<Frame[]> =>
  until(
    `${count} of ${query}`,
    async () => (await ask(client, query)).found?.hits ?? [],
    (hits) => hits.length === count,
    30_000,
  );

test('on distributed engines messages are found, and a killed OpenSearch or search service costs only searches', async () => {
  const [alice, bob] = [await enter('alice', 0), await enter('bob', 1)];
  const created = await alice.ask({
    createConversation: { kind: 'CONVERSATION_KIND_GROUP', clientRef: 'g', memberIds: [bob.userId] },
  });
  const { conversationId } = created.conversation.conversation;
  let n = 0;
  const send = async (text: string): Promise<string> => {
    const sendMessage = { conversationId, clientMsgId: `m${++n}`, content: { text } };
    return (await alice.ask({ sendMessage })).accepted.messageId;
  };
  const say = async (text: string): Promise<string> => {
    const messageId = await send(text);
    await bob.waitFor((f) => f.event?.message?.messageId === messageId);
    return messageId;
  };
  // Said in the moment it was made, it may be there before bob's node listens: then a head tells of it, and not the message.
  const messageId = await send('the quarterly 발표자료 is ready');
  const [hit] = await found(bob, '발표 quarter', 1);
  expect(hit).toMatchObject({ messageId, conversationId, highlights: [{}, {}] });

  // Edits and deletions, while everything is well.
  await alice.ask({ editMessage: { conversationId, messageId, content: { text: 'the yearly 발표자료 is ready' } } });
  await found(bob, 'yearly', 1);
  expect((await ask(bob, 'quarterly')).found.hits ?? []).toEqual([]);

  const opensearch = engines.process('opensearch');
  await opensearch.kill();
  expectRefusal((await ask(bob, 'yearly')).error, 'UNAVAILABLE');
  await say('said without OpenSearch');
  await opensearch.start();
  await found(bob, 'without opensearch', 1);

  const search = services.process('search');
  await search.kill();
  const atMs = Date.now();
  expectRefusal((await ask(bob, 'yearly')).error, 'UNAVAILABLE');
  expect(Date.now() - atMs).toBeLessThan(3_500);
  const last = await say('said without the search service');
  await search.start();
  await found(bob, 'said without', 2);
  await alice.ask({ deleteMessage: { conversationId, messageId: last, scope: 'DELETE_SCOPE_FOR_EVERYONE' } });
  await found(bob, 'said without', 1);

  const stranger = await enter('mallory', 0);
  expect((await ask(stranger, 'said')).found.hits ?? []).toEqual([]);
  await Promise.all([alice, bob, stranger].map((client) => client.close()));
}, 180_000);
