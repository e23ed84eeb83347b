import { fail, inChunks } from '@caas/kit';
import { created, type HeadCommit, isActive, type MessageStore, maxDocumentsPerCall } from '@caas/message-store';
import type { ConversationDocument, ParticipantDocument } from '@caas/proto/caas/events/v1/documents';
import { maxSuccessorsConsidered } from './apply/limits.ts';
import { isOwner, membershipPositionOf, rewound } from './apply/membership-documents.ts';
import { type Base, isApplied } from './apply/model.ts';
import { leaversIn, needsOf, needsOwners, needsPins, needsSuccessors } from './apply/needs.ts';
import { emptyConversation } from './apply/new-documents.ts';
import type { Group, ShardState } from './shard-state.ts';

/** How often a head may move under a worker that is about to fence it, before the batch is given back. */
export const maxFenceTries = 3;

/** Puts the committed conversations of the groups into the state; absent ones stay absent. */
export const loadHeads = async (store: MessageStore, state: ShardState, groups: readonly Group[]): Promise<void> => {
  const missing = groups.filter((group) => state.head(group.name) === undefined);
  const heads = await inChunks(missing, maxDocumentsPerCall, (chunk) => store.conversations.getMany(chunk));
  for (const [i, head] of heads.entries()) {
    if (!head) continue;
    if (head.epoch > state.epoch) superseded();
    state.keep((missing[i] as Group).name, head);
  }
};

/** The shard has another owner by now; the log gives its records to that one. */
export const superseded = (): never => fail('UNAVAILABLE', 'another worker owns the shard');

/**
 * Fences the conversations off from writers of earlier epochs, before any of their documents is read or written: a commit
 * that changes the epoch only (and leaves out revisions, where a store is rebuilt). From then on nobody but this epoch can commit; and whatever an earlier worker still writes
 * past the head belongs to events that this worker applies itself. Done once per conversation and epoch.
 */
export const fenceHeads = async (store: MessageStore, state: ShardState, groups: readonly Group[]): Promise<void> => {
  let open = groups.filter((group) => needsFence(state, group));
  for (let tries = 1; open.length > 0; tries += 1) {
    if (tries > maxFenceTries) superseded();
    state.dirty = true;
    const commits = open.map((group): HeadCommit => fenceOf(state, group));
    const outcomes = await inChunks(commits, maxDocumentsPerCall, (chunk) => store.conversations.commit(chunk));
    for (const [i, group] of open.entries())
      if (outcomes[i] === 'committed') state.keep(group.name, (commits[i] as HeadCommit).document);
      else state.drop(group.name);
    open = open.filter((_, i) => outcomes[i] === 'stale');
    await loadHeads(store, state, open);
  }
};

const needsFence = (state: ShardState, { name, records }: Group): boolean => {
  const head = state.head(name);
  if (head) return head.epoch !== state.epoch && records.some((record) => !isApplied(head, record));
  return records.some(({ event }) => event.kind === 'updated' && event.value.change?.$case === 'created');
};

const fenceOf = (state: ShardState, { name, tenantId, conversationId }: Group): HeadCommit => {
  const head = state.head(name);
  const document: ConversationDocument = head ?? { ...emptyConversation(tenantId, conversationId), headRev: 1 };
  const headRev = document.headRev + state.revGap;
  return { expectedHeadRev: head?.headRev ?? 0, document: { ...document, headRev, epoch: state.epoch } };
};

/**
 * Counts the pins of conversations whose documents are from before they were counted, once. After the fence, so that nobody
 * else pins meanwhile, and committed before anything is written: documents that are ahead would be counted as they are.
 */
export const countPins = async (store: MessageStore, state: ShardState, groups: readonly Group[]): Promise<void> => {
  const uncounted = groups.flatMap((group) => {
    const head = state.head(group.name);
    return created(head) && head.pinCount === undefined && needsPins(group.records) ? [{ group, head }] : [];
  });
  const commits = await Promise.all(
    uncounted.map(async ({ head }): Promise<HeadCommit> => {
      const { documents } = await store.messages.pinned(head, head.lastSeq, { limit: maxDocumentsPerCall });
      return { expectedHeadRev: head.headRev, document: { ...head, pinCount: documents.length } };
    }),
  );
  const outcomes = await inChunks(commits, maxDocumentsPerCall, (chunk) => store.conversations.commit(chunk));
  if (outcomes.includes('stale')) superseded();
  for (const [i, { group }] of uncounted.entries()) state.keep(group.name, (commits[i] as HeadCommit).document);
};

/** The documents the groups' events are applied to: one bulk call for messages, one for participants. */
export const loadBases = async (store: MessageStore, state: ShardState, groups: readonly Group[]): Promise<Base[]> => {
  const bases = groups.map(({ name, tenantId, conversationId }) => ({
    tenantId,
    conversationId,
    conversation: state.head(name),
    messages: new Map(),
    participants: new Map(),
  }));
  const messageKeys: { base: number; tenantId: string; conversationId: string; messageId: string }[] = [];
  const participantKeys: { base: number; tenantId: string; conversationId: string; userId: string }[] = [];
  for (const [base, { tenantId, conversationId, records }] of groups.entries()) {
    // Nothing can be there of a conversation that is not.
    if (bases[base]?.conversation === undefined) continue;
    const needs = needsOf(records);
    for (const messageId of needs.messageIds) messageKeys.push({ base, tenantId, conversationId, messageId });
    for (const userId of needs.userIds) participantKeys.push({ base, tenantId, conversationId, userId });
  }
  const [messages, participants] = await Promise.all([
    inChunks(messageKeys, maxDocumentsPerCall, (chunk) => store.messages.getMany(chunk)),
    inChunks(participantKeys, maxDocumentsPerCall, (chunk) => store.participants.getMany(chunk)),
  ]);
  for (const [i, key] of messageKeys.entries())
    if (messages[i]) bases[key.base]?.messages.set(key.messageId, messages[i]);
  for (const [i, key] of participantKeys.entries())
    if (participants[i]) bases[key.base]?.participants.set(key.userId, participants[i]);
  await Promise.all(
    groups.flatMap((group, i) => {
      const base = bases[i] as Base;
      return [loadSuccessors(store, group, base), loadOwnerCount(store, group, base)];
    }),
  );
  return bases;
};

/** Those who may become owner, from the beginning of the list until somebody is found who stays. */
const loadSuccessors = async (store: MessageStore, group: Group, base: Base): Promise<void> => {
  if (!base.conversation || !needsSuccessors(group.records, base.participants)) return;
  const leavers = leaversIn(group.records);
  const participants = base.participants as Map<string, ParticipantDocument>;
  for await (const page of committedPages(store, base.conversation, maxSuccessorsConsidered)) {
    const members = page.filter(isActive);
    for (const document of members) if (!participants.has(document.userId)) participants.set(document.userId, document);
    if (members.some(({ userId }) => !leavers.has(userId))) return;
  }
};

/** Counts the owners of a conversation whose document is from before they were counted; once, the next commit says. */
const loadOwnerCount = async (store: MessageStore, group: Group, base: Base): Promise<void> => {
  const { conversation } = base;
  if (!conversation || !created(conversation) || conversation.ownerCount !== undefined) return;
  if (!needsOwners(group.records)) return;
  let ownerCount = 0;
  for await (const page of committedPages(store, conversation, maxDocumentsPerCall))
    ownerCount += page.filter((document) => isActive(document) && isOwner(document)).length;
  base.ownerCount = ownerCount;
};

/** Every participant with the membership that is committed: a document may be ahead and say "gone" too early. */
async function* committedPages(
  store: MessageStore,
  conversation: ConversationDocument,
  limit: number,
): AsyncGenerator<ParticipantDocument[]> {
  const position = membershipPositionOf(conversation);
  for (let afterUserId = ''; ; ) {
    const page = await store.participants.ofConversation(conversation, { afterUserId, limit, activeOnly: false });
    yield page.map((document) => rewound(document, position));
    if (page.length < limit) return;
    afterUserId = (page.at(-1) as ParticipantDocument).userId;
  }
}
