import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startServices } from '@caas/infra';
import { until } from '@caas/kit/testing/until';
import { onDatabase } from '@caas/mongo';
import { JobState, PrivacyServiceService } from '@caas/proto/caas/compliance/v1/privacy_service';
import { expect, test } from '@jest/globals';
import { filesWith } from './support/folder-files.ts';
import { signIn } from './support/platform.ts';
import { ended } from './support/privacy.ts';
import { RawClient } from './support/raw-client.ts';

const engineVariables = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => /^(KAFKA|MONGODB|REDIS)_/.test(name)),
) as Record<string, string>;

const displayName = 'zqxcanaryname';

/** Collections of a database with a text in one of their documents. */
const collectionsWith = async (database: string, text: string): Promise<string[]> => {
  const found: string[] = [];
  await onDatabase(engineVariables['MONGODB_URL'] as string, database, async (db) => {
    for (const { name } of await db.listCollections().toArray()) {
      const documents = await db.collection(name).find().toArray();
      if (JSON.stringify(documents).includes(text)) found.push(name);
    }
  });
  return found;
};

test('services on engines erase a user, kill -9 of compliance between, and nothing of them is in MongoDB', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'caas-erasure-'));
  const database = `test_erasure_services_${process.pid}`;
  const services = await startServices({
    envOf: () => ({ ...engineVariables, MONGODB_DATABASE: database }),
    dataDir,
    nodes: 1,
    settings: { crypto: { CRYPTO_HOLDER_GRACE: '2s' } },
  });
  try {
    const tenantId = `erasure-${Date.now().toString(36)}`;
    const where = { gatewayUrl: services.gatewayUrl, app: await services.createApp(tenantId) };
    const [alice, bob] = await Promise.all([signIn(where, 'alice'), signIn(where, 'bob')]);
    const [url] = services.socketUrls as [string];
    const [a, b] = [await RawClient.open(url, alice.accessToken), await RawClient.open(url, bob.accessToken)];
    const create = { kind: 'CONVERSATION_KIND_GROUP', memberIds: [bob.userId], clientRef: 'room' };
    const { conversation } = await a.ask({ createConversation: create }, 20_000);
    const { conversationId } = conversation.conversation;
    await a.ask({ updateProfile: { displayName } }, 20_000);
    const send = { conversationId, clientMsgId: 'm', content: { text: 'to be erased' } };
    expect((await a.ask({ sendMessage: send }, 20_000)).accepted).toBeDefined();
    await b.waitFor((f) => f.event?.head?.lastSeq === 1, 20_000);
    expect(await collectionsWith(database, displayName)).toEqual(['users']);

    const privacy = services.asOperator(PrivacyServiceService, services.complianceAddress);
    const { job } = await privacy.startErasure({ tenantId, userId: alice.userId, requestId: 'r', actorId: 'dpo' });
    await until(
      'the wait for holders',
      () => privacy.getJob({ tenantId, jobId: job?.jobId ?? '' }),
      (now) => now.job?.step === 'holders',
      20_000,
    );
    await services.process('compliance').kill();
    await services.process('compliance').start();
    expect(await ended(privacy, job, 60_000)).toMatchObject({ state: JobState.JOB_STATE_DONE });
    const { history } = await b.ask({ getHistory: { conversationId } }, 20_000);
    expect(history.messages).toMatchObject([{ deletedBy: alice.userId }]);
    expect(history.messages[0].content).toBeUndefined();
    expect(await collectionsWith(database, displayName)).toEqual([]);
    expect(await filesWith(dataDir, displayName)).toEqual([]);
    const { certificateJson } = await privacy.getCertificate({ tenantId, jobId: job?.jobId ?? '' });
    expect(JSON.parse(certificateJson)).toMatchObject({ messages: { tombstones: 1 }, index: null });
    privacy.close();
    await b.close();
  } finally {
    await services.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}, 150_000);
