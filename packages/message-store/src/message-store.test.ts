import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { MessageDocument } from '@caas/proto/caas/events/v1/documents';
import { afterAll, expect, test } from '@jest/globals';
import { messageStoreContract } from './contract.ts';
import { emptyDigest, nextDigest, openSqliteMessageStore } from './index.ts';

const folder = await mkdtemp(join(tmpdir(), 'message-store-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

messageStoreContract('SQLite', async () => {
  const file = join(folder, 'messages.db');
  const store = await openSqliteMessageStore({ file });
  return {
    store,
    reopen: async () => {
      await store.close();
      return openSqliteMessageStore({ file });
    },
  };
});

test('reads are served while a writer holds the database', async () => {
  const file = join(folder, 'busy.db');
  const store = await openSqliteMessageStore({ file });
  const key = { tenantId: 't', conversationId: 'c' };
  const document = MessageDocument.fromPartial({ ...key, messageId: 'm', seq: 1, rev: 1, epoch: 1 });
  await store.messages.write([document]);
  const other = new DatabaseSync(file);
  other.exec('BEGIN IMMEDIATE');
  const writing = store.messages.write([{ ...document, rev: 2 }]);
  expect(await store.messages.getMany([document])).toEqual([document]);
  other.exec('ROLLBACK');
  await writing;
  other.close();
  expect(await store.messages.getMany([document])).toEqual([{ ...document, rev: 2 }]);
  await store.close();
});

test('a closed store refuses with DRAINING', async () => {
  const store = await openSqliteMessageStore({ file: join(folder, 'closed.db') });
  await store.close();
  await expect(store.conversations.claimShard(0)).rejects.toMatchObject({ reason: 'DRAINING' });
});

test('the digest is a chain over the ids in their order', () => {
  // Made with: printf '\0\0\0\0\0\0\0\0a' | sha256sum | cut -c1-16
  const a = nextDigest(emptyDigest, 'a');
  expect(a).toBe('d7fe8b5c4a504869');
  expect(nextDigest(a, 'b')).not.toBe(nextDigest(nextDigest(emptyDigest, 'b'), 'a'));
});
