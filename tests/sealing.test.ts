import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { authConfig } from '@caas/auth';
import { cryptoConfig } from '@caas/crypto';
import { gatewayConfig } from '@caas/gateway';
import { createGrpcClient, type GrpcClient, type ServiceAuth } from '@caas/kit/grpc';
import { createLogger } from '@caas/kit/log';
import { persistenceConfig } from '@caas/persistence';
import { KeyServiceService } from '@caas/proto/caas/crypto/v1/key_service';
import { socketConfig } from '@caas/socket';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { signIn, type TestPlatform, type TestUser, testPlatform } from './support/platform.ts';
import { type Frame, RawClient } from './support/raw-client.ts';
import { until } from './support/until.ts';

const canary = 'canary-7d2c-whispers';

/** Everything that lies in the data folder, by file. */
const filesOf = async (folder: string): Promise<Map<string, Buffer>> => {
  const files = new Map<string, Buffer>();
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true }))
    if (entry.isFile()) {
      const path = join(entry.parentPath, entry.name);
      files.set(path, await readFile(path).catch(() => Buffer.alloc(0)));
    }
  return files;
};
const filesWith = async (folder: string, text: string): Promise<string[]> =>
  [...(await filesOf(folder))].filter(([, bytes]) => bytes.includes(text)).map(([path]) => path);

describe('content at rest', () => {
  let platform: TestPlatform;
  let [alice, bob] = [] as unknown as [TestUser, TestUser];
  let [a, b] = [] as unknown as [RawClient, RawClient];
  let conversationId: string;
  beforeAll(async () => {
    platform = await testPlatform();
    [alice, bob] = [await signIn(platform, 'alice'), await signIn(platform, 'bob')];
    const [one, two] = platform.socketUrls as [string, string];
    a = await RawClient.open(one, alice.accessToken);
    b = await RawClient.open(two, bob.accessToken);
    const create = { kind: 'CONVERSATION_KIND_GROUP', memberIds: [bob.userId], clientRef: 'sealed' };
    const { conversation } = await a.ask({ createConversation: create });
    conversationId = conversation.conversation.conversationId;
  });
  afterAll(() => platform.stop());

  const send = (client: RawClient, clientMsgId: string, content: Frame): Promise<Frame> =>
    client.ask({ sendMessage: { conversationId, clientMsgId, content } });
  const committed = (count: number): Promise<Frame> =>
    until(
      'committed',
      () => b.ask({ getHistory: { conversationId } }),
      ({ history }) => history?.head.lastSeq >= count,
    );

  test('is in no file, after sends, edits and forwards and after the stop; readers read it', async () => {
    const content = { text: canary, metadata: { note: canary } };
    const { messageId } = (await send(a, 'one', content)).accepted;
    await b.waitFor((f) => f.event?.message?.content?.text === canary);
    await committed(1);
    const edited = { text: `${canary}, edited` };
    expect((await a.ask({ editMessage: { conversationId, messageId, content: edited } })).accepted).toBeDefined();
    await b.waitFor((f) => f.event?.messageChanged?.content?.text === edited.text);
    const forward = { fromConversationId: conversationId, messageId, toConversationId: conversationId };
    expect((await b.ask({ forwardMessage: { ...forward, clientMsgId: 'f' } })).accepted).toBeDefined();
    const { history } = await committed(2);
    expect(history.messages).toMatchObject([{ content: edited }, { content: edited, senderId: bob.userId }]);
    const thread = { conversationId, clientMsgId: 't', content: { text: canary }, threadRootId: messageId };
    expect((await b.ask({ sendMessage: thread })).accepted).toBeDefined();
    await committed(3);
    expect((await a.ask({ setPin: { conversationId, messageId, pinned: true } })).error).toBeUndefined();
    await b.waitFor((f) => f.event?.messageChanged?.pinnedAtMs);
    const answers = await Promise.all([
      b.ask({ getThread: { conversationId, rootMessageId: messageId } }),
      b.ask({ listPins: { conversationId } }),
      b.ask({ sync: { conversations: [{ conversationId }] } }),
      b.ask({ getConversation: { conversationId } }),
      b.ask({ listConversations: {} }),
    ]);
    for (const answer of answers) {
      expect(JSON.stringify(answer)).toContain(canary);
      expect(JSON.stringify(answer)).not.toContain('unreadable');
    }
    expect(await filesWith(platform.dataDir, canary)).toEqual([]);
    await platform.stop({ remove: false });
    expect(await filesWith(platform.dataDir, canary)).toEqual([]);
    expect((await filesOf(platform.dataDir)).size).toBeGreaterThan(5);
  }, 30_000);
});
