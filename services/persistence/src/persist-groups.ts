import type { EventLog } from '@caas/event-log';
import { type Clock, inChunks } from '@caas/kit';
import { created, type MessageStore, maxDocumentsPerCall } from '@caas/message-store';
import type { ConversationDocument } from '@caas/proto/caas/events/v1/documents';
import { type Persisted, tellPersisted, tellRejected } from './acknowledge.ts';
import { applyEvents } from './apply/apply-events.ts';
import { type Base, type EventRecord, isApplied, type Outcome } from './apply/model.ts';
import { countPins, fenceHeads, loadBases, loadHeads, superseded } from './load.ts';
import type { News, NoticeFor } from './notify.ts';
import type { Group, ShardState } from './shard-state.ts';
import { commitHeads, type Written, writeDocuments } from './write.ts';

export interface PersistPorts {
  log: EventLog;
  store: MessageStore;
  clock: Clock;
}

/** What became of the events of some conversations. */
export interface Persistence extends News {
  /** Records whose effect is committed now and was not before. */
  applied: number;
  /** Conversations whose events could not be applied, and why; nothing of them was written. */
  faulty: { group: Group; fault: unknown }[];
}

/**
 * Makes the events of some conversations of a shard durable and visible: fence, load, apply, reject, write (step 1), commit
 * (step 2), acknowledge. Any part may be repeated: the offsets in the heads say what is done, the epoch says by whom.
 *
 * @throws CaasError UNAVAILABLE when the store, the log or the ownership is lost, and the signal's reason when it aborts:
 * the same records have to come again.
 */
export const persistGroups = async (
  ports: PersistPorts,
  state: ShardState,
  groups: readonly Group[],
  signal: AbortSignal,
): Promise<Persistence> => {
  const { log, store, clock } = ports;
  if (state.dirty) state.begin(await store.conversations.claimShard(state.shard));
  await loadHeads(store, state, groups);
  const told = await againTold(store, state, groups);
  const open = groups.filter((group) => group.records.some((record) => !isApplied(state.head(group.name), record)));
  signal.throwIfAborted();
  await fenceHeads(store, state, open);
  await countPins(store, state, open);
  const { outcomes, faulty } = applyAll(open, await loadBases(store, state, open), state.epoch, clock.now());
  const rejections = outcomes.flatMap(({ outcome }) => outcome.rejections);
  await tellRejected(log, rejections);

  const written = outcomes.filter(({ outcome }) => outcome.conversation !== undefined) as Applied<Written>[];
  signal.throwIfAborted();
  if (written.length > 0) {
    state.dirty = true;
    await writeDocuments(
      store,
      written.map(({ outcome }) => outcome),
    );
    signal.throwIfAborted();
    const committed = await commitHeads(
      store,
      written.map(({ outcome }) => outcome),
    );
    // After the fence only a later epoch can have moved a head.
    if (!committed.every(Boolean)) superseded();
    for (const { group, outcome } of written) state.keep(group.name, outcome.conversation);
  }
  state.dirty = false;
  await tellPersisted(log, [...told.persisted, ...written.flatMap(persistedOf)]);
  return {
    applied: open.reduce((sum, group) => sum + group.records.length, 0),
    faulty,
    rejections,
    notices: [...told.notices, ...written.map(noticeOf)],
  };
};

interface Applied<O> {
  group: Group;
  outcome: O;
}

const applyAll = (groups: readonly Group[], bases: readonly Base[], epoch: number, nowMs: number) => {
  const outcomes: Applied<Outcome>[] = [];
  const faulty: Persistence['faulty'] = [];
  for (const [i, group] of groups.entries())
    try {
      outcomes.push({ group, outcome: applyEvents(bases[i] as Base, group.records, epoch, nowMs) });
    } catch (fault) {
      faulty.push({ group, fault });
    }
  return { outcomes, faulty };
};

const nodeIdsOf = (records: readonly EventRecord[]): ReadonlySet<string> => {
  const nodeIds = new Set<string>();
  for (const { event } of records) if (event.kind === 'sent') nodeIds.add(event.value.nodeId);
  return nodeIds;
};

const lastTraceparent = (records: readonly EventRecord[]): string =>
  records.findLast(({ event }) => event.kind === 'sent')?.traceparent ?? '';

const about = ({ tenantId, conversationId, headRev, lastSeq, digest }: ConversationDocument) => ({
  tenantId,
  conversationId,
  headRev,
  lastSeq,
  digest,
});

const persistedOf = ({ group, outcome: { conversation, firstSeq } }: Applied<Written>): Persisted[] =>
  firstSeq === 0 ? [] : [{ ...about(conversation), firstSeq, traceparent: lastTraceparent(group.records) }];

const noticeOf = ({ group, outcome }: Applied<Written>): NoticeFor => ({
  conversation: outcome.conversation,
  prevHeadRev: outcome.base?.headRev ?? 0,
  applied: outcome.applied,
  changes: outcome.changes,
  incomplete: false,
  affectedUsers: outcome.affectedUsers,
  nodeIds: nodeIdsOf(group.records),
});

/**
 * Records that are applied already came again: the commit took place, its acknowledgment perhaps not. It is made again from
 * what is committed, so that a crash between the two loses nothing.
 */
const againTold = async (store: MessageStore, state: ShardState, groups: readonly Group[]) => {
  const persisted: Persisted[] = [];
  const notices: NoticeFor[] = [];
  for (const group of groups) {
    const head = state.head(group.name);
    if (!created(head)) continue;
    const again = group.records.filter((record) => isApplied(head, record));
    if (again.length === 0) continue;
    const ids = new Set(again.flatMap(({ event }) => (event.kind === 'sent' ? [event.value.messageId] : [])));
    const keys = [...ids].map((messageId) => ({ ...about(head), messageId }));
    const messages = await inChunks(keys, maxDocumentsPerCall, (chunk) => store.messages.getMany(chunk));
    const seqs = messages.flatMap((m) => (m && m.seq <= head.lastSeq ? [m.seq] : []));
    if (seqs.length > 0)
      persisted.push({ ...about(head), firstSeq: Math.min(...seqs), traceparent: lastTraceparent(again) });
    notices.push({
      conversation: head,
      prevHeadRev: 0,
      applied: { ...head.offsets },
      changes: [],
      incomplete: true,
      affectedUsers: [],
      nodeIds: nodeIdsOf(again),
    });
  }
  return { persisted, notices };
};
