import { until } from '@caas/kit/testing/until';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Faults } from './support/faults.ts';
import { signIn, type TestPlatform, testPlatform } from './support/platform.ts';
import { type Frame, RawClient } from './support/raw-client.ts';

const canary = 'canary-5e6f-sings';
const faults = new Faults();
const lines: string[] = [];
let platform: TestPlatform;

beforeAll(async () => {
  platform = await testPlatform({
    between: faults.between,
    logLevel: 'trace',
    logDestination: { write: (line: string) => void lines.push(line) },
  });
});
afterAll(() => platform.stop());

/** Media whose bytes and name are the canary. */
const uploaded = async (client: RawClient): Promise<string> => {
  const bytes = `${canary}\n`.repeat(10);
  const create = { name: `${canary}.txt`, mediaType: 'text/plain', sizeBytes: bytes.length };
  const { upload } = await client.ask({ createUpload: create });
  const [part] = upload.parts;
  expect((await fetch(part.url, { method: 'PUT', body: bytes, headers: part.headers })).status).toBe(204);
  const { mediaId } = upload.media;
  await client.ask({ completeUpload: { mediaId } });
  const { media } = await until(
    'media',
    () => client.ask({ getMedia: { mediaId } }),
    (answer) => answer.media?.media.state === 'MEDIA_STATE_COMMITTED',
  );
  expect(await (await fetch(media.media.renditions[0].url)).text()).toBe(bytes);
  expect((await fetch(`${part.url}&${canary}`, { method: 'PUT', body: canary })).ok).toBe(false);
  return mediaId;
};

test('what users write is in no log line of any service, at level trace, whatever goes well or wrong', async () => {
  const [alice, bob] = [await signIn(platform, 'alice'), await signIn(platform, 'bob')];
  const [one, two] = platform.socketUrls as [string, string];
  const a = await RawClient.open(one, alice.accessToken);
  const b = await RawClient.open(two, bob.accessToken);
  const create = { kind: 'CONVERSATION_KIND_GROUP', memberIds: [bob.userId], clientRef: 'canary' };
  const reply = await a.ask({ createConversation: { ...create, title: canary } });
  const { conversationId } = reply.conversation.conversation;
  const mediaId = await uploaded(a);
  const content = { text: canary, metadata: { note: canary }, attachments: [{ mediaId, name: canary }] };
  const send = (clientMsgId: string, more: Frame = {}): Promise<Frame> =>
    a.ask({ sendMessage: { conversationId, clientMsgId, content, ...more } });
  const committed = (count: number): Promise<Frame> =>
    until(
      'committed',
      () => b.ask({ getHistory: { conversationId } }),
      ({ history }) => history?.head.lastSeq >= count,
    );

  const { messageId } = (await send('one')).accepted;
  await b.waitFor((f) => f.event?.message?.content?.text === canary);
  await committed(1);
  const act = { conversationId, messageId };
  expect((await a.ask({ editMessage: { ...act, content: { text: `${canary}, edited` } } })).accepted).toBeDefined();
  await b.waitFor((f) => f.event?.messageChanged?.editedAtMs);
  const forward = { fromConversationId: conversationId, messageId, toConversationId: conversationId };
  expect((await b.ask({ forwardMessage: { ...forward, clientMsgId: 'f' } })).accepted).toBeDefined();
  const { history } = await committed(2);
  expect(JSON.stringify(history)).toContain(canary);
  expect((await b.ask({ sync: { conversations: [{ conversationId }] } })).sync.deltas).toHaveLength(1);

  // Refused as frames and as content.
  const other = await send('one', { content: { text: `${canary}, other` } });
  expect(other.error.reason).toBe('ERROR_REASON_IDEMPOTENCY_CONFLICT');
  expect((await send('long', { content: { text: canary.repeat(2_000) } })).error).toBeDefined();
  expect((await send('odd', { content: { text: canary, nonsense: canary } })).error).toBeDefined();
  a.send(`{"id":"${canary}","sendMessage":{"content":{"text":"${canary}`);
  // Rejected by the worker.
  const clash = (text: string) => ({ sendMessage: { conversationId, clientMsgId: 'clash', content: { text } } });
  const a2 = await RawClient.open(two, alice.accessToken);
  await Promise.all([a.ask(clash(`${canary} 1`)), a2.ask(clash(`${canary} 2`))]);
  await a.waitFor((f) => f.event?.rejected);
  // Engines that fail, and a store that answers nonsense to a node and to the worker.
  const logAgain = faults.away('log.append');
  expect((await send('two')).error.retryable).toBe(true);
  logAgain();
  const away = faults.away('store.');
  expect((await send('three')).accepted).toBeDefined();
  expect((await send('four', { retry: true })).accepted).toBeDefined();
  expect((await a.ask({ editMessage: { ...act, content: { text: canary } } })).error).toBeDefined();
  expect((await a.ask({ getHistory: { conversationId } })).error).toBeDefined();
  away();
  await committed(5);
  const nonsense = faults.falsify('store.messages.page', (found: Frame[]) => found.map(({ content }) => ({ content })));
  expect((await b.ask({ getHistory: { conversationId } })).history ?? 'refused').toBeDefined();
  nonsense();
  const broken = faults.falsify('store.messages.getMany', () => [{ content: { text: canary } }]);
  expect((await a.ask({ editMessage: { ...act, content: { text: canary } } })).error).toBeDefined();
  const failing = faults.falsify('store.conversations.getMany', () => undefined);
  expect((await a.ask({ getHistory: { conversationId } })).error).toBeDefined();
  failing();
  broken();
  for (const client of [a, a2, b]) await client.close();
  await platform.stop({ remove: false });

  const services = new Set(lines.map((line) => (JSON.parse(line) as { service: string }).service));
  expect([...services]).toEqual(expect.arrayContaining(['socket-1', 'persistence', 'media']));
  expect(lines.filter((line) => line.includes(canary))).toEqual([]);
}, 30_000);
