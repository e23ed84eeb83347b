/** An old messaging-service's database, as it would have grown, for tests. */
import { chunksOf } from '@caas/kit';
import { type Db, ObjectId } from 'mongodb';

/** Numbers in [0, 1) that a seed decides (mulberry32). */
export const chanceOf = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
};

export interface OldServiceOptions {
  tenantId: string;
  messages: number;
  conversations: number;
  users: number;
  seed: number;
}

type Document = { _id: ObjectId } & Record<string, unknown>;

const startMs = Date.UTC(2021, 2, 4);
const kinds = ['direct', 'group', 'group', 'channel'] as const;
const emojis = ['👍', '🎉', ':ship:'];

/** Writes the collections, in the order of ids as a service does over the years, with its indexes. */
export const growOldService = async (db: Db, options: OldServiceOptions): Promise<void> => {
  const { tenantId, users, seed } = options;
  const chance = chanceOf(seed);
  const below = (n: number): number => Math.floor(chance() * n);
  const now = { ms: startMs };
  const later = (): Date => {
    // Some at the same time, which leaves their order to the id.
    now.ms += chance() < 0.1 ? 0 : 1 + below(60_000);
    return new Date(now.ms);
  };
  const conversations: Document[] = [];
  const participants: Document[] = [];
  const members = new Map<Document, string[]>();
  for (let i = 0; i < options.conversations; i += 1) {
    const type = kinds[i % kinds.length] as string;
    const first = i % users;
    // Each pair has one direct conversation.
    const count = type === 'direct' ? 2 : 3 + below(5);
    const step = 1 + (Math.floor(i / users) % Math.max(1, Math.floor(users / count) - 1));
    const names = Array.from({ length: count }, (_, k) => `user-${(first + k * step) % users}`);
    const [owner] = names as [string];
    const conversation: Document = {
      _id: new ObjectId(),
      tenantId,
      type,
      name: type === 'direct' ? null : `Room ${i} ✓`,
      metadata: i % 5 === 0 ? { topic: `t${i}`, a: '1' } : undefined,
      createdBy: owner,
      createdAt: later(),
      archivedAt: type === 'channel' && i % 7 === 0 ? later() : null,
    };
    conversations.push(conversation);
    members.set(conversation, [...new Set(names)]);
    for (const [k, userId] of (members.get(conversation) as string[]).entries()) {
      const left = type !== 'direct' && k > 1 && chance() < 0.1;
      participants.push({
        _id: new ObjectId(),
        tenantId,
        conversationId: conversation._id,
        userId,
        displayName: `User ${userId.slice(5)}`,
        role: k === 0 ? 'owner' : k === 1 && type !== 'direct' ? 'admin' : 'member',
        joinedAt: conversation['createdAt'],
        leftAt: left ? later() : null,
        removedBy: left && chance() < 0.5 ? owner : null,
        lastReadAt: null,
        mutedUntil: chance() < 0.1 ? new Date(startMs * 2) : null,
      });
    }
  }
  const said = new Map<Document, Document[]>(conversations.map((conversation) => [conversation, []]));
  for (let i = 0; i < options.messages; i += 1) {
    const conversation = conversations[below(conversations.length)] as Document;
    const before = said.get(conversation) as Document[];
    const message = aMessage(i, { conversation, names: members.get(conversation) as string[], before, chance, later });
    before.push(message);
  }
  for (const participant of participants) {
    const conversation = conversations.find(({ _id }) => _id === participant['conversationId']) as Document;
    const read = (said.get(conversation) as Document[])[below((said.get(conversation) as Document[]).length + 3)];
    participant['lastReadAt'] = read?.['createdAt'] ?? null;
  }
  await db.collection('messages').createIndex({ tenantId: 1, conversationId: 1, createdAt: 1, _id: 1 });
  await db.collection('participants').createIndex({ tenantId: 1, conversationId: 1 });
  const all = { conversations, participants, messages: [...said.values()].flat() };
  for (const [name, documents] of Object.entries(all))
    for (const chunk of chunksOf(documents, 2_000))
      await db.collection<Document>(name).insertMany([...chunk], { ordered: false, ignoreUndefined: true });
};

interface Scene {
  conversation: Document;
  names: readonly string[];
  before: readonly Document[];
  chance(): number;
  later(): Date;
}

const aMessage = (i: number, { conversation, names, before, chance, later }: Scene): Document => {
  const some = <T>(of: readonly T[]): T => of[Math.floor(chance() * of.length)] as T;
  const maybe = <T>(share: number, make: () => T): T | null => (chance() < share ? make() : null);
  const earlier = before.length > 0 ? some(before)._id : null;
  const createdAt = later();
  const edited = chance() < 0.05;
  const deleted = chance() < 0.03;
  return {
    _id: new ObjectId(),
    tenantId: conversation['tenantId'],
    conversationId: conversation._id,
    senderId: some(names),
    type: 'text',
    text: deleted ? null : `message ${i}: ${'x'.repeat(Math.floor(chance() * 200))} 👋`,
    attachments:
      maybe(0.05, () => [
        { id: `media-${i}`, name: `p${i}.png`, mimeType: 'image/png', size: i, url: `https://old/${i}` },
      ]) ?? [],
    mentions: maybe(0.05, () => [some(names)]) ?? [],
    metadata: maybe(0.02, () => ({ z: '1', a: 'ü' })),
    replyTo: maybe(0.1, () => earlier),
    threadId: maybe(0.05, () => earlier),
    forwardedFrom: maybe(0.02, () => earlier && { messageId: earlier, senderId: some(names) }),
    clientMessageId: `c-${i}`,
    createdAt,
    editedAt: edited ? later() : null,
    editHistory: edited ? [{ text: `before ${i}`, replacedAt: createdAt }] : [],
    deletedAt: deleted ? later() : null,
    deletedBy: deleted ? some(names) : null,
    deletedFor: maybe(0.02, () => [some(names)]) ?? [],
    reactions:
      maybe(0.1, () => [
        { emoji: some(emojis), userId: names[0] },
        { emoji: some(emojis), userId: some(names) },
      ]) ?? [],
    pinnedAt: maybe(0.005, later),
    pinnedBy: names[0],
    readBy: 'a field CAAS knows nothing of',
  };
};
