import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteAccountStore } from '@caas/account-store';
import { openAuditWriter } from '@caas/compliance-client/audit';
import type { KeySource } from '@caas/compliance-client/keys';
import { openSqliteEventLog } from '@caas/event-log';
import { memoryKeyValue, memoryNodeInbox } from '@caas/key-value';
import { sharedTokenAuth } from '@caas/kit/grpc';
import { createLogger } from '@caas/kit/log';
import { openSqliteMessageStore } from '@caas/message-store';
import { afterEach, expect, test } from '@jest/globals';
import { createSocketNode, type SocketNode } from './app.ts';
import type { AuthClients } from './edge/gate.ts';
import type { MediaClient } from './media-client.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** Auth that gives a sign of life, whose store is there or away. */
const anAuth = () => {
  const state = { blind: false };
  const sessions = {
    checkSessions: async () => ({ invalidSessionIds: [] }),
    async *watchRevocations(_: object, { signal }: { signal: AbortSignal }) {
      while (!signal.aborted) {
        yield { revoked: [], blind: state.blind };
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
  };
  return { state, clients: { sessions } as unknown as AuthClients };
};

/** What nodes share. */
const ports = async () => {
  const folder = await mkdtemp(join(tmpdir(), 'caas-node-'));
  const log = await openSqliteEventLog({ file: join(folder, 'log.db') });
  const store = await openSqliteMessageStore({ file: join(folder, 'messages.db') });
  const accounts = await openSqliteAccountStore({ file: join(folder, 'accounts.db') });
  closing.push(async () => {
    for (const each of [log, store, accounts]) await each.close();
    await rm(folder, { recursive: true });
  });
  const auth = anAuth();
  const logger = createLogger({ service: 'test', level: 'silent' });
  const audit = await openAuditWriter({ log, service: 'test', folder: join(folder, 'audit'), logger });
  const shared = { audit, log, store, users: accounts.users, keyValue: memoryKeyValue(), inbox: memoryNodeInbox() };
  const policies = {
    hearsCompliance: true,
    follow: () => undefined,
    judge: () => ({ kind: 'allow', version: 0 }) as const,
  };
  return {
    auth,
    shared: {
      ...shared,
      auth: auth.clients,
      // Nothing is sealed here, so no key is asked for.
      keys: {} as KeySource,
      policies: { ...policies, hold: async () => undefined, run: async () => undefined },
      // Nor is anything attached.
      media: {} as MediaClient,
      serviceAuth: sharedTokenAuth({ token: 'services-of-a-test' }),
    },
  };
};

const aNode = async (shared: Awaited<ReturnType<typeof ports>>['shared'], nodeId: string): Promise<SocketNode> => {
  const logger = createLogger({ service: 'test', level: 'silent' });
  const config = { nodeId, host: '127.0.0.1', port: 0, grpcAddress: '127.0.0.1:0', hashKey: '0'.repeat(32) };
  const clear = { sealContent: false, sealEnvelopes: false };
  const node = await createSocketNode(shared, { ...config, ...clear, bounds: { drainMs: 10 } }, logger);
  const stopping = new AbortController();
  const running = node.run(stopping.signal);
  closing.push(() => {
    stopping.abort();
    return running;
  });
  return node;
};

/** Polls `/health/ready` until it says so. */
const untilReady = async ({ port }: SocketNode, expected: object): Promise<void> => {
  const deadline = Date.now() + 5_000;
  for (;;) {
    const answer = await (await fetch(`http://127.0.0.1:${port}/health/ready`)).json();
    if (JSON.stringify(answer) === JSON.stringify(expected)) return;
    if (Date.now() > deadline) expect(answer).toEqual(expected);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

test('a node is ready until another is started under its id', async () => {
  const { shared } = await ports();
  const earlier = await aNode(shared, 'n');
  const other = await aNode(shared, 'm');
  for (const node of [earlier, other]) await untilReady(node, { status: 'ok' });
  const later = await aNode(shared, 'n');
  await untilReady(earlier, { status: 'unavailable' });
  for (const node of [later, other]) await untilReady(node, { status: 'ok' });
});

test('a node whose auth is blind is ready and names what is away', async () => {
  const { auth, shared } = await ports();
  auth.state.blind = true;
  const node = await aNode(shared, 'n');
  await untilReady(node, { status: 'ok', degraded: ['accountStore'] });
  auth.state.blind = false;
  await untilReady(node, { status: 'ok' });
});
