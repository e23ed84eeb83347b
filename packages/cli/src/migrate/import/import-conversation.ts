import { chunksOf } from '@caas/kit';
import { type ConversationKey, type MessageStore, maxDocumentsPerCall } from '@caas/message-store';
import type { ConversationDocument, HiddenDocument, MessageDocument } from '@caas/proto/caas/events/v1/documents';
import { type Ledger, overtaken } from '../ledger.ts';
import { conversationIdFor, type Pair } from '../names.ts';
import type { Oddities } from '../old/odd.ts';
import { messagesIn, type OldSide, participantsIn } from '../old/old-side.ts';
import type { OldConversation } from '../old/schema.ts';
import { type Assembled, Assembly, type Authorship, type OldRoom } from './assembly.ts';
import { clearLeftOvers, hasMessages } from './clear-left-overs.ts';
import type { MakeKnown } from './known-users.ts';

/** Messages read, and written, at a time. */
const messagesPerWrite = 500;
/** How often a conversation is begun anew when a run that is being overtaken still moves its head. */
const maxTries = 5;

export interface ImportParts {
  pair: Pair;
  old: OldSide;
  ledger: Ledger;
  store: MessageStore;
  odd: Oddities;
  makeKnown: MakeKnown;
  /** Number of this run in the ledger. */
  run: number;
  /** Reads and judges everything, writes nothing. */
  dryRun: boolean;
  /** Messages were read, and written if they had to be; throws to end the run. */
  onMessages(count: number): void;
}

/** 'live': somebody has spoken or acted in it in CAAS, and it is the workers' now. 'odd': it is left out. */
export type ImportOutcome = 'imported' | 'unchanged' | 'live' | 'odd';

/**
 * Epoch of what a run writes: below every epoch a worker claims, which begin at 1, and above those of earlier runs. So an
 * import claims no shard and fences no worker off; the first act in CAAS fences the imports off, for good; and of two runs
 * the later one stands.
 */
export const epochOf = (run: number): number => run - 2 ** 31;

/** Whether a worker has touched the conversation, also one that only fenced it off to create it. */
export const isLive = (head: Pick<ConversationDocument, 'epoch'> | undefined): boolean => (head?.epoch ?? -1) > 0;

/**
 * Brings one conversation over. Until its head is committed it does not exist to readers; afterwards it may be written
 * anew, when the old side has changed, until somebody acts in it in CAAS.
 */
export const importConversation = async (parts: ImportParts, conversation: OldConversation): Promise<ImportOutcome> => {
  const { pair, store, ledger, odd } = parts;
  const { tenantId } = pair;
  const left = (reason: string): 'odd' => {
    odd.add({ collection: 'conversations', id: conversation._id.toHexString(), reason });
    return 'odd';
  };
  // Created in CAAS, and written back.
  if (conversation.caas?.tenantId === tenantId && conversation.caas.conversationId !== undefined) return 'live';
  const participants = await participantsIn(parts.old, pair, conversation, odd);
  if (conversation.type === 'direct' && participants.length !== 2)
    return left(`type: direct, with ${participants.length} participants`);
  const oldUserIds = participants.map(({ userId }) => userId);
  const key = { tenantId, conversationId: conversationIdFor(pair, conversation, oldUserIds) };
  const row = await ledger.conversation(tenantId, key.conversationId);
  if (row && !row.oldId.equals(conversation._id)) return left('type: a second direct conversation of the same two');
  const source: Source = { key, room: { conversation, participants }, checksum: row?.checksum ?? '' };
  for (let tries = 1; ; tries += 1) {
    const [head] = await store.conversations.getMany([key]);
    if (isLive(head)) return 'live';
    if (head && head.epoch > epochOf(parts.run)) overtaken(tenantId);
    const outcome = await bring(parts, source, head, row?.baseRev ?? 0);
    if (outcome !== 'stale') return outcome;
    if (tries === maxTries) overtaken(tenantId);
  }
};

interface Source {
  key: ConversationKey;
  room: OldRoom;
  /** Of the last import. */
  checksum: string;
}

const bring = async (
  parts: ImportParts,
  source: Source,
  head: ConversationDocument | undefined,
  begunAt: number,
): Promise<ImportOutcome | 'stale'> => {
  const { dryRun } = parts;
  const isCommitted = head !== undefined && head.headRev > begunAt;
  if (dryRun || isCommitted) {
    const by = { epoch: 0, baseRev: 0 };
    const { checksum } = (await assemble(parts, source, by, async () => undefined)).assembled;
    if (isCommitted && checksum === source.checksum) return 'unchanged';
    if (dryRun) return 'imported';
  }
  return write(parts, source, head);
};

type Writer = (messages: readonly MessageDocument[], hidden: readonly HiddenDocument[]) => Promise<void>;

/** Reads all messages once, some at a time. */
const assemble = async (
  parts: ImportParts,
  { key, room }: Source,
  by: Authorship,
  write: Writer,
): Promise<{ assembly: Assembly; assembled: Assembled }> => {
  const assembly = new Assembly(parts.pair, key.conversationId, room, by);
  let messages: MessageDocument[] = [];
  let hidden: HiddenDocument[] = [];
  const flush = async (): Promise<void> => {
    await write(messages, hidden);
    parts.onMessages(messages.length);
    messages = [];
    hidden = [];
  };
  for await (const old of messagesIn(parts.old, parts.pair, room.conversation, parts.odd)) {
    const added = assembly.add(old);
    messages.push(added.message);
    hidden.push(...added.hidden);
    if (messages.length === messagesPerWrite) await flush();
  }
  await flush();
  return { assembly, assembled: assembly.finish() };
};

const write = async (
  parts: ImportParts,
  source: Source,
  head: ConversationDocument | undefined,
): Promise<ImportOutcome | 'stale'> => {
  const { store, ledger, run } = parts;
  const { key, room } = source;
  const baseRev = head?.headRev ?? 0;
  const again = head !== undefined || (await hasMessages(store, key));
  const written = new Set<string>();
  const by = { epoch: epochOf(run), baseRev };
  const { assembly, assembled } = await assemble(parts, source, by, async (messages, hidden) => {
    await store.messages.write(messages);
    if (again) for (const { messageId } of messages) written.add(messageId);
    for (const chunk of chunksOf(hidden, maxDocumentsPerCall)) await store.messages.hide(chunk);
  });
  const { conversation, participants, checksum } = assembled;
  if (again) await clearLeftOvers(store, assembled, written);
  for (const chunk of chunksOf(participants, maxDocumentsPerCall)) await store.participants.write(chunk);
  const displayNames = new Map(
    room.participants.flatMap(({ userId, displayName }) => (displayName ? [[userId, displayName] as const] : [])),
  );
  await parts.makeKnown(assembly.users, displayNames);
  // Before the head, so that a run that finds the head finds what it was made of; `baseRev` tells the two apart.
  await ledger.put({
    run,
    ...key,
    oldId: room.conversation._id,
    baseRev,
    checksum,
    syncedRev: conversation.headRev,
    syncedSeq: conversation.lastSeq,
    lastCreatedAtMs: assembly.lastCreatedAtMs,
  });
  const [outcome] = await store.conversations.commit([{ expectedHeadRev: baseRev, document: conversation }]);
  return outcome === 'committed' ? 'imported' : 'stale';
};
