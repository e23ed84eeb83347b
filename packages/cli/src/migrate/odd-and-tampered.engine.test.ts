import type { MessageDocument } from '@caas/proto/caas/events/v1/documents';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { OpenFeature } from '@openfeature/server-sdk';
import { ObjectId } from 'mongodb';
import { MigrationFlags, migrationFlags } from './flags.ts';
import { importTenant } from './import/import-tenant.ts';
import { conversationIdFor, messageIdFor } from './names.ts';
import { Oddities } from './old/odd.ts';
import { type OldAndNew, openOldAndNew, startCaas } from './testing/old-and-new.ts';
import { growOldService } from './testing/old-service.ts';
import { verifyTenant } from './verify/verify-tenant.ts';

const { signal } = new AbortController();
const grown = { messages: 300, conversations: 12 };
let sides: OldAndNew;
beforeAll(async () => {
  sides = await openOldAndNew('odd');
  await growOldService(sides.old.db, { tenantId: 'acme', ...grown, users: 12, seed: 7 });
}, 60_000);
afterAll(() => sides.close());

const begin = async (): Promise<number> => (await sides.ledger.begin(sides.pair, ['off'])).run;
const verify = () => verifyTenant(sides, { signal });

test('a dry run judges everything and writes nothing', async () => {
  const report = await importTenant(sides, { run: undefined, signal });
  expect(report).toMatchObject({ messages: grown.messages, conversations: { imported: grown.conversations, odd: 0 } });
  expect(await sides.old.db.listCollections({ name: /^caas/ }).toArray()).toEqual([]);
  expect((await verify()).differing).toBe(grown.conversations);
});

test('odd documents are told with their field, counted and left out', async () => {
  const [conversation] = await sides.old.conversations.find({ type: 'group' }).limit(1).toArray();
  const at = { tenantId: 'acme', conversationId: conversation?._id, senderId: 'user-1', createdAt: new Date() };
  const odd = [
    { _id: new ObjectId(), ...at, text: null },
    { _id: new ObjectId(), ...at, text: 'x', createdAt: 'yesterday' },
    { _id: new ObjectId(), ...at, text: 'a\0b' },
  ];
  const aside = [
    { _id: new ObjectId(), ...at, type: 'system', text: 'Ann joined' },
    { _id: new ObjectId(), ...at, conversationId: new ObjectId(), text: 'stray' },
  ];
  await sides.old.messages.insertMany([...odd, ...aside]);
  const told: string[] = [];
  const oddities = new Oddities(({ id, reason }) => told.push(`${id} ${reason}`));
  const report = await importTenant({ ...sides, odd: oddities }, { run: await begin(), signal });
  expect(report).toMatchObject({ strayMessages: 1, systemLines: 1, messages: grown.messages });
  expect(told.sort()).toEqual(
    [
      `${odd[0]?._id} neither text nor attachment`,
      `${odd[1]?._id} createdAt: not a date`,
      `${odd[2]?._id} text: not well-formed Unicode without NUL`,
    ].sort(),
  );
  expect(await verify()).toMatchObject({ differing: 0, ...grown });
});

test('what was tampered with in CAAS is found, named, and put right by the next import', async () => {
  const message = await sides.old.messages.findOne({ text: /^message/, deletedAt: null });
  const conversation = await sides.old.conversations.findOne({ _id: message?.['conversationId'] as ObjectId });
  if (!message || !conversation) throw new Error('the old service has nothing');
  const members = await sides.old.participants.find({ conversationId: conversation._id }).toArray();
  const known = { _id: conversation._id, type: conversation['type'] as 'group' };
  const users = members.map(({ userId }) => String(userId));
  const key = { tenantId: 'acme', conversationId: conversationIdFor(sides.pair, known, users) };
  const messageId = messageIdFor(sides.pair, message._id);
  const tamper: ((document: MessageDocument) => Partial<MessageDocument>)[] = [
    ({ acceptedAtMs }) => ({ acceptedAtMs: acceptedAtMs + 1 }),
    () => ({ senderId: 'somebody' }),
    ({ seq }) => ({ seq: seq + 1_000 }),
    () => ({ digest: '00'.repeat(8) }),
    () => ({ reactions: [{ kind: '!', userIds: ['u'] }] }),
    () => ({ content: undefined }),
  ];
  for (const changed of tamper) {
    // As the import before wrote it: under its epoch, for the store leaves alone what an earlier one writes.
    const [document] = await sides.store.messages.getMany([{ ...key, messageId }]);
    if (!document) throw new Error('it was not imported');
    await sides.store.messages.write([{ ...document, ...changed(document) }]);
    const found = await verify();
    expect(found).toMatchObject({ differing: 1, named: [{ conversationId: key.conversationId }] });
    const again = await importTenant(sides, { run: await begin(), signal });
    expect(again.conversations).toMatchObject({ imported: 1, unchanged: grown.conversations - 1 });
    expect((await verify()).differing).toBe(0);
  }
});

test('of two imports the earlier one ends and changes nothing more', async () => {
  const earlier = await begin();
  await begin();
  // So that there is something to write.
  await sides.old.messages.updateOne({ text: /^message/, deletedAt: null }, { $set: { text: 'changed' } });
  const later = await begin();
  await importTenant(sides, { run: later, signal });
  await sides.old.messages.updateOne({ text: 'changed' }, { $set: { text: 'changed again' } });
  await expect(importTenant(sides, { run: earlier, signal })).rejects.toThrow(/another migration command has begun/);
  await importTenant(sides, { run: later, signal });
  expect((await verify()).differing).toBe(0);
});

test('the flags say where users send and read, and a command out of its state is refused', async () => {
  await OpenFeature.setProviderAndWait('migration', new MigrationFlags(sides.old.db));
  const client = OpenFeature.getClient('migration');
  const homes = async (targetingKey: string) => [
    await client.getStringValue(migrationFlags.write, 'none', { targetingKey }),
    await client.getStringValue(migrationFlags.read, 'old', { targetingKey }),
  ];
  expect(await homes('nobody')).toEqual(['old', 'old']);
  await sides.ledger.moveTo('acme', ['off'], 'frozen');
  expect(await homes('acme')).toEqual(['none', 'old']);
  expect(await client.getStringValue(migrationFlags.write, 'none', {})).toBe('none');
  const refused = await startCaas(['migrate', '--tenant', 'acme', '--to', 'read-new'], sides.env).finished;
  expect(refused.code).toBe(1);
  expect(refused.output).toContain("a tenant that is frozen can't become read-new, only one that is dual-write");
  const wrong = await startCaas(['migrate', '--tenant', 'acme', '--verify', '--rollback'], sides.env).finished;
  expect(wrong.code).toBe(64);
});
