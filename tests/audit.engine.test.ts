import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkpointLine, entryLine, verifyExport } from '@caas/compliance-client/verify';
import { startServices } from '@caas/infra';
import { newTraceparent, traceIdOf } from '@caas/kit';
import { until } from '@caas/kit/testing/until';
import { AuditServiceService } from '@caas/proto/caas/compliance/v1/audit_service';
import { expect, test } from '@jest/globals';
import { signIn } from './support/platform.ts';
import { RawClient } from './support/raw-client.ts';

const engineVariables = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => /^(KAFKA|MONGODB|REDIS)_/.test(name)),
) as Record<string, string>;

test('services on engines bring what is done through Kafka into the trees of MongoDB, kill -9 of compliance between', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'caas-audit-'));
  const database = `test_audit_services_${process.pid}`;
  const services = await startServices({
    envOf: () => ({ ...engineVariables, MONGODB_DATABASE: database }),
    dataDir,
    nodes: 1,
  });
  try {
    const tenantId = `audit-${Date.now().toString(36)}`;
    const app = await services.createApp(tenantId);
    const where = { gatewayUrl: services.gatewayUrl, app };
    const [alice, bob] = await Promise.all([signIn(where, 'alice'), signIn(where, 'bob')]);
    const a = await RawClient.open(services.socketUrls[0] as string, alice.accessToken);
    const created = await a.ask(
      { createConversation: { kind: 'CONVERSATION_KIND_DIRECT', memberIds: [bob.userId] } },
      20_000,
    );
    const { conversationId } = created.conversation.conversation;
    const send = { conversationId, clientMsgId: 'm', content: { text: 'hello' } };
    const { messageId } = (await a.ask({ sendMessage: send }, 20_000)).accepted;
    await a.waitFor((f) => f.event?.head?.lastSeq === 1, 20_000);

    await services.process('compliance').kill();
    const traceparent = newTraceparent();
    const scope = 'DELETE_SCOPE_FOR_EVERYONE';
    const answer = await a.ask({ traceparent, deleteMessage: { conversationId, messageId, scope } }, 20_000);
    expect(answer.accepted.messageId).toBe(messageId);
    await services.process('compliance').start();

    const audit = services.asOperator(AuditServiceService, services.complianceAddress);
    const none = { actorId: '', subjectId: '', action: '', fromMs: 0, untilMs: 0, limit: 0, cursor: '' };
    const query = { ...none, tenantId, traceId: traceIdOf(traceparent) };
    const { entries } = await until(
      'the entry of the trace',
      () => audit.queryAudit(query),
      (found) => found.entries.length > 0,
      40_000,
    );
    expect(entries[0]?.event).toMatchObject({ action: 'message.deleted', subjectId: messageId, service: 'socket-1' });
    const lines: string[] = [];
    for await (const { item } of audit.exportAudit({ tenantId })) {
      if (item?.$case === 'entry') lines.push(entryLine(item.value.leaf).trimEnd());
      if (item?.$case === 'checkpoint') lines.push(checkpointLine(item.value).trimEnd());
    }
    const { checkpoint } = await audit.getCheckpoint({ tenantId, minTreeSize: 1 });
    const verified = await verifyExport(lines, { publicKeys: [checkpoint?.publicKey as Uint8Array] });
    expect(verified).toMatchObject({ ok: true, tenantId, findings: [] });
    audit.close();
    await a.close();
  } finally {
    await services.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}, 120_000);
