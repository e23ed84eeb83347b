import { growOldService, startCaas } from '@caas/cli/testing';
import { CaasClient } from '@caas/client';
import { until } from '@caas/kit/testing/until';
import { dropDatabase, mongoForTest } from '@caas/mongo/testing';
import { platformConfig } from '@caas/platform';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { MongoClient, type ObjectId } from 'mongodb';
import { signIn, type TestPlatform, type TestUser, testPlatform } from './support/platform.ts';
import { type Frame, RawClient } from './support/raw-client.ts';

/*
 * A tenant goes from the old service to CAAS, its users talk there, and it goes back with all they said. CAAS is embedded, so
 * it stands still while the command has its log.
 */

type Document = { _id: ObjectId } & Record<string, unknown>;

const minute = 60_000;
const seed = Number(process.env['MIGRATE_SEED'] ?? Date.now() % 1_000_000);
const oldDatabase = mongoForTest('rollback_old');
const client = new MongoClient(oldDatabase.url);
const old = client.db(oldDatabase.database);
/** Messages said after the follower has ended. */
const more = 5;
const grown = { messages: 400, conversations: 16 };
/** While there is a way back what is said is kept in the clear: docs/migration.md. */
const { services } = platformConfig({ SOCKET_SEAL_CONTENT: 'false' });
const startOptions = { services, limits: { framesPerMinute: 100_000, sendsPerSecond: 1_000, sendsBurst: 1_000 } };
let dataDir: string;
let platform: TestPlatform | undefined;

const caas = (...args: string[]) => {
  const env = { OLD_MONGODB_URL: oldDatabase.url, OLD_MONGODB_DATABASE: oldDatabase.database, CAAS_DATA: dataDir };
  return startCaas(['migrate', '--tenant', 'dev', '--old-tenant', 'acme', ...args], env);
};
const ran = async (...args: string[]): Promise<string> => {
  const { code, output } = await caas(...args).finished;
  if (code !== 0) throw new Error(`caas migrate ${args.join(' ')} ended with ${code}: ${output}`);
  return output;
};
const all = (name: string): Promise<Document[]> => old.collection<Document>(name).find().sort({ _id: 1 }).toArray();
const state = async () => (await old.collection('caas_migrations').findOne())?.['state'];

beforeAll(async () => {
  process.stdout.write(`there and back, MIGRATE_SEED=${seed}\n`);
  await growOldService(old, { tenantId: 'acme', ...grown, users: 12, seed });
  platform = await testPlatform(startOptions);
  dataDir = platform.dataDir;
  await platform.stop({ remove: false });
}, minute);
afterAll(async () => {
  await platform?.stop();
  await client.close();
  await dropDatabase(oldDatabase);
});

test(
  'a tenant goes over, talks in CAAS and comes back with all of it, also when the way back is killed',
  async () => {
    await ran();
    const before = await all('messages');
    const added = async () => (await old.collection('messages').countDocuments()) - before.length;
    await expect(ran('--to', 'dual-write')).rejects.toThrow(/is off|is off;|can't become dual-write/);
    expect(await ran('--to', 'frozen')).toMatch(/send to none, read from old/);
    expect(await ran('--to', 'dual-write')).toMatch(/^equal\n[\s\S]*send to new, read from old/m);
    await expect(ran()).rejects.toThrow(/dev is dual-write; this is for one that is off or frozen/);
    expect(await ran('--to', 'read-new')).toMatch(/send to new, read from new/);

    platform = await testPlatform({ ...startOptions, dataDir });
    const said = await talk(platform);
    await platform.stop({ remove: false });

    const following = caas('--follow-back');
    await until('all is written back', added, (count) => count === said.texts.length, minute);
    expect(await following.kill('SIGTERM')).toMatchObject({ code: 0 });
    expect(await ran('--to', 'dual-write')).toMatch(/send to new, read from old/);

    platform = await testPlatform({ ...startOptions, dataDir });
    await talkOn(platform, said);
    await platform.stop({ remove: false });
    const killed = caas('--rollback');
    await until('something is written back', added, (count) => count > said.texts.length - more, minute);
    await killed.kill();
    expect(await state()).toBe('returning');
    expect(await ran('--rollback')).toMatch(/^equal\n[\s\S]*send to old, read from old/m);

    await expectOldSide(before, said);
    await expect(ran('--rollback')).rejects.toThrow(/dev is off; this is for one that is/);
    platform = await testPlatform({ ...startOptions, dataDir });
    const { accessToken } = said.owner;
    await expect(RawClient.open(platform.socketUrls[0] as string, accessToken)).rejects.toThrow(/closed/);
  },
  5 * minute,
);

interface Said {
  owner: TestUser;
  conversationId: string;
  lastSeq: number;
  texts: string[];
  changed: { reacted: string; deleted: string; hidden: string };
}

/** What users do in CAAS, in a conversation that was imported and in one that was not. */
const talk = async (platform: TestPlatform): Promise<Said> => {
  const room = (await old.collection('conversations').findOne({ name: 'Room 1 ✓' })) as Document;
  const members = await old.collection('participants').find({ conversationId: room._id, leftAt: null }).toArray();
  const names = [room['createdBy'], ...members.map(({ userId }) => userId).filter((id) => id !== room['createdBy'])];
  const [owner, other] = (await Promise.all(names.slice(0, 2).map((name) => signIn(platform, name)))) as [
    TestUser,
    TestUser,
  ];
  const newcomer = await signIn(platform, 'newcomer');
  const a = await RawClient.open(platform.socketUrls[0] as string, owner.accessToken);
  const b = await RawClient.open(platform.socketUrls[1] as string, other.accessToken);
  const ask = async (who: RawClient, command: Frame): Promise<Frame> => {
    const reply = await who.ask(command);
    if (reply.error) throw new Error(JSON.stringify({ command, error: reply.error }));
    return reply;
  };
  const { conversations } = await ask(a, { listConversations: {} });
  const listed = conversations.entries.find((c: Frame) => c.conversation.title === 'Room 1 ✓');
  const { conversationId } = listed.conversation;
  const read = async (who: RawClient): Promise<Frame[]> =>
    (await ask(who, { getHistory: { conversationId, limit: 200 } })).history.messages;
  // Only what neither has hidden: to hide it once more would change nothing.
  const shownToOwner = new Set((await read(a)).map((m) => m.messageId));
  const standing = (await read(b)).filter((m) => !m.deletedAtMs && shownToOwner.has(m.messageId));
  const [reacted, deleted, hidden] = standing.slice(-3).map((m: Frame) => m.messageId);

  const texts: string[] = [];
  const send = async (who: RawClient, to: string, text: string): Promise<string> => {
    const sent = await ask(who, {
      sendMessage: { conversationId: to, clientMsgId: `m-${texts.length}`, content: { text } },
    });
    texts.push(text);
    return sent.accepted.messageId;
  };
  const ids: string[] = [];
  for (let i = 0; i < 40; i += 1) ids.push(await send(i % 2 ? a : b, conversationId, `in CAAS ${i}`));
  // Not by the history: what is hidden for who reads it is not in there.
  const committed = Number(listed.conversation.head.lastSeq) + 40;
  await a.waitFor((f) => f.event?.head?.conversationId === conversationId && f.event.head.lastSeq >= committed);
  await ask(a, { editMessage: { conversationId, messageId: ids[1], content: { text: 'in CAAS 1, edited' } } });
  texts[1] = 'in CAAS 1, edited';
  await ask(a, { setReaction: { conversationId, messageId: reacted, kind: '🦜', present: true } });
  await ask(a, { deleteMessage: { conversationId, messageId: deleted, scope: 'DELETE_SCOPE_FOR_EVERYONE' } });
  await ask(a, { deleteMessage: { conversationId, messageId: hidden, scope: 'DELETE_SCOPE_FOR_ME' } });
  await ask(a, { addMembers: { conversationId, userIds: [newcomer.userId] } });
  await ask(a, { removeMembers: { conversationId, userIds: [newcomer.userId] } });
  const create = { kind: 'CONVERSATION_KIND_GROUP', memberIds: [newcomer.userId], clientRef: 'fresh', title: 'fresh' };
  const fresh = (await ask(a, { createConversation: create })).conversation.conversation.conversationId;
  for (let i = 0; i < 3; i += 1) await send(a, fresh, `fresh ${i}`);
  await a.waitFor((f) => f.event?.head?.conversationId === fresh && f.event.head.lastSeq >= 3);
  await Promise.all([a.close(), b.close()]);
  const oldIdOf = (id: string): string => standing.find((m: Frame) => m.messageId === id).content.text;
  return {
    owner,
    conversationId,
    lastSeq: committed,
    texts,
    changed: { reacted: oldIdOf(reacted), deleted: oldIdOf(deleted), hidden: oldIdOf(hidden) },
  };
};

/** The SDK goes on in the imported conversation: it bears messages from before the log. */
const talkOn = async ({ socketUrls }: TestPlatform, said: Said): Promise<void> => {
  const { owner, conversationId, lastSeq, texts } = said;
  const sdk = new CaasClient({ urls: socketUrls, getToken: async () => owner.accessToken });
  await sdk.connect();
  const conversation = sdk.conversation(conversationId);
  const later = Array.from({ length: more }, (_, i) => `in CAAS later ${i}`);
  for (const text of later) await sdk.sendMessage(conversationId, { text });
  await until(
    'the SDK has them',
    () => conversation.head.lastSeq,
    (seq) => seq === lastSeq + more,
  );
  const shown = conversation.messages();
  expect(shown.slice(-more).map(({ content }) => content?.text)).toEqual(later);
  const seqs = shown.map(({ seq }) => seq);
  // Ones that are hidden for the user are not among them.
  expect(seqs).toEqual([...new Set(seqs)].sort((x, y) => x - y));
  expect(seqs.slice(-more)).toEqual(later.map((_, i) => lastSeq + 1 + i));
  expect(sdk.stats()).toMatchObject({ divergences: 0, pending: 0, outbox: 0 });
  sdk.close();
  texts.push(...later);
};

const expectOldSide = async (before: readonly Document[], { owner, texts, changed }: Said): Promise<void> => {
  const known = new Map(before.map((message) => [String(message._id), message]));
  const found = await all('messages');
  const added = found.filter(({ _id }) => !known.has(String(_id)));
  added.sort((x, y) => Number(x['createdAt']) - Number(y['createdAt']));
  const inRooms = (prefix: string) => added.map(({ text }) => String(text)).filter((text) => text.startsWith(prefix));
  const isFresh = (text: string): boolean => text.startsWith('fresh');
  expect(inRooms('in CAAS')).toEqual(texts.filter((text) => !isFresh(text)));
  expect(inRooms('fresh')).toEqual(texts.filter(isFresh));
  // What nobody touched is as it was, to the field.
  const different = found.filter((m) => {
    const was = known.get(String(m._id));
    return was !== undefined && JSON.stringify(was) !== JSON.stringify(m);
  });
  const wasTexts = different.map(({ _id }) => known.get(String(_id))?.['text']);
  expect(wasTexts.sort()).toEqual(Object.values(changed).sort());
  const one = (text: string) => different.find(({ _id }) => known.get(String(_id))?.['text'] === text);
  expect(one(changed.reacted)?.['reactions']).toContainEqual({ emoji: '🦜', userId: owner.externalId });
  expect(one(changed.deleted)).toMatchObject({ text: null, deletedAt: expect.any(Date), deletedBy: owner.externalId });
  expect(one(changed.hidden)?.['deletedFor']).toContain(owner.externalId);
  const fresh = await old.collection('conversations').findOne({ name: 'fresh' });
  const members = await old.collection('participants').find({ conversationId: fresh?._id }).toArray();
  expect(members.map(({ userId }) => userId).sort()).toEqual(['newcomer', owner.externalId].sort());
  const removed = await old.collection('participants').findOne({ userId: 'newcomer', 'caas.removed': true });
  expect(removed?.['leftAt']).toBeInstanceOf(Date);
};
