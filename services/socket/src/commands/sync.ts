import { CaasError, fail, type Reason, reasonNumber } from '@caas/kit';
import { emptyDigest } from '@caas/message-store';
import { ErrorReason } from '@caas/proto/caas/common/v1/errors';
import { ConversationKind } from '@caas/proto/caas/events/v1/content';
import type {
  ConversationDocument,
  HiddenDocument,
  MessageDocument,
  ParticipantDocument,
} from '@caas/proto/caas/events/v1/documents';
import type { SyncCursor } from '@caas/proto/caas/socket/v1/commands';
import type { ConversationDelta } from '@caas/proto/caas/socket/v1/server_frames';
import { type Cursor, decodeCursor, encodeCursor } from '../model/cursor.ts';
import { fitting, replyBytes } from '../model/reply-bytes.ts';
import { manages } from '../model/rules.ts';
import { conversationView, headView, messageView, participantView } from '../model/views.ts';
import { type ActingMember, actingMember } from './act.ts';
import type { Command, CommandContext } from './command.ts';
import { headOf } from './get-history.ts';

const defaultLimit = 500;

/** Brings conversations up to date: every change since each cursor, or an explicit word that it is not all. */
export const sync: Command<'sync'> = async (context, request) => {
  const { maxReplyBytes } = context.node.bounds;
  const room: Room = { changes: request.limit || defaultLimit, bytes: maxReplyBytes };
  const deltas: ConversationDelta[] = [];
  for (const asked of request.conversations) {
    // Conversations that no longer fit are left out: the client asks for them again.
    if (room.changes <= 0 || room.bytes <= 0) break;
    const delta = await deltaOf(context, asked, room);
    deltas.push(delta);
    room.bytes -= replyBytes({ ...delta, messages: [] });
    room.changes -= Math.max(1, delta.messages.length + delta.participants.length + delta.hiddenMessageIds.length);
  }
  return { $case: 'sync', value: { deltas } };
};

/** What is left of the reply; who gives messages takes their bytes, `sync` the rest. */
interface Room {
  changes: number;
  bytes: number;
}

/** Refusals that say nothing of the other conversations. */
const ofOneConversation: ReadonlySet<Reason> = new Set([
  'CONVERSATION_NOT_FOUND',
  'CURSOR_INVALID',
  'HISTORY_UNAVAILABLE',
]);

const deltaOf = async (
  context: CommandContext,
  { conversationId, cursor, rev }: SyncCursor,
  room: Room,
): Promise<ConversationDelta> => {
  try {
    const acting = await actingMember(context, conversationId);
    const head = await headOf(context, acting);
    if (cursor === '') return await snapshot(context, acting, head, room);
    const since = decodeCursor(cursor, conversationId);
    if (since.rev > head.headRev || since.visibleFromSeq !== acting.member.visibleFromSeq)
      return await snapshot(context, acting, head, room);
    // What the client has followed live it has; how many messages that was is its own to know.
    if (rev > since.rev && rev <= head.headRev)
      return await changes(context, acting, head, { ...since, rev, seq: -1, pastRev: 0, midway: false }, room);
    return await changes(context, acting, head, { ...since, midway: since.seq < 0 }, room);
  } catch (error) {
    if (!(error instanceof CaasError) || !ofOneConversation.has(error.reason)) throw error;
    return { ...emptyDelta(conversationId), refused: reasonNumber(error.reason) };
  }
};

/** From the start: the newest messages, and where they begin when they are not all. */
const snapshot = async (
  context: CommandContext,
  acting: ActingMember,
  head: ConversationDocument,
  room: Room,
): Promise<ConversationDelta> => {
  const { node, connection } = context;
  const { conversation, member } = acting;
  const { tenantId, userId } = connection.claims;
  const { conversationId } = conversation;
  const key = { tenantId, conversationId, userId };
  const wantedSeq = Math.max(1, member.visibleFromSeq, head.lastSeq - room.changes + 1);
  const stored =
    head.lastSeq >= wantedSeq
      ? await node.store.messages.page(conversation, {
          fromSeq: wantedSeq,
          toSeq: head.lastSeq,
          limit: room.changes,
          maxBytes: room.bytes,
          from: 'newest',
        })
      : [];
  if (head.lastSeq >= wantedSeq) assertContiguous(stored, head.lastSeq);
  const found = await node.contents.read(stored);
  const view = (m: MessageDocument) => messageView(m, head.headRev);
  const { kept, bytes } = fitting(found, found.length - 1, room.bytes, view);
  room.bytes -= bytes;
  const fromSeq = kept[0]?.seq ?? wantedSeq;
  const [own] = await node.store.participants.getMany([key]);
  const hidden = kept.length > 0 ? await node.store.messages.hiddenIn(key, fromSeq, head.lastSeq) : [];
  return {
    ...emptyDelta(conversationId),
    messages: kept.map(view),
    participants: own ? [participantView(own, head.headRev, userId)] : [],
    conversation: conversationView(head),
    hiddenMessageIds: hidden,
    head: headView(head),
    cursor: encodeCursor({
      conversationId,
      rev: head.headRev,
      seq: head.lastSeq,
      visibleFromSeq: member.visibleFromSeq,
      pastRev: 0,
    }),
    limited:
      fromSeq > 1
        ? { conversationId, startSeq: fromSeq - 1, startDigest: await digestBefore(context, acting, head, fromSeq) }
        : undefined,
  };
};

/** Digest of everything before a seq: stored with the message before it. */
const digestBefore = async (
  context: CommandContext,
  { conversation }: ActingMember,
  head: ConversationDocument,
  seq: number,
): Promise<string> => {
  if (seq > head.lastSeq) return head.digest;
  if (seq <= 1) return emptyDigest;
  const [before] = await context.node.store.messages.page(conversation, {
    fromSeq: seq - 1,
    toSeq: seq - 1,
    limit: 1,
    from: 'oldest',
  });
  return before?.digest ?? fail('HISTORY_UNAVAILABLE', 'the message store is behind its head');
};

interface MessageChange {
  rev: number;
  message: MessageDocument;
}
type Change =
  | MessageChange
  | { rev: number; participant: ParticipantDocument }
  | { rev: number; hidden: HiddenDocument };

interface Since extends Cursor {
  /** An earlier page ended here: what changed before it may have changed again and be found after it only. */
  midway: boolean;
}

/** Every change after a revision, in its order, up to the head or to what fits. */
const changes = async (
  context: CommandContext,
  acting: ActingMember,
  head: ConversationDocument,
  since: Since,
  room: Room,
): Promise<ConversationDelta> => {
  const { node, connection } = context;
  const { tenantId, userId } = connection.claims;
  const { conversation, member } = acting;
  const { conversationId } = conversation;
  const base = emptyDelta(conversationId);
  // The pages of what is written past the head go on where they were, unless the head has moved over it.
  const past = since.pastRev > 0 && since.rev === head.headRev;
  const afterRev = past ? since.pastRev : since.rev;
  const cursorAt = (rev: number, seq: number, pastRev = 0): string =>
    encodeCursor({ conversationId, rev, seq, visibleFromSeq: member.visibleFromSeq, pastRev });
  // Not midway: what is written past the head may hold what an earlier page left for a later one.
  if (afterRev === head.headRev && !since.midway)
    return { ...base, head: headView(head), cursor: cursorAt(afterRev, since.seq < 0 ? head.lastSeq : since.seq) };
  // The head was read first: whatever these reads find beyond it is told again by the next sync.
  const [{ documents, more: moreMessages }, participants, hidden] = await Promise.all([
    node.store.messages.changedSince(conversation, afterRev, head.lastSeq, {
      limit: room.changes + 1,
      maxBytes: room.bytes,
    }),
    participantsSince(context, acting, head, since.midway ? 0 : since.rev, { afterRev, limit: room.changes + 1 }),
    node.store.messages.hiddenSince({ tenantId, conversationId, userId }, afterRev, room.changes + 1),
  ]);
  const messages = await node.contents.read(documents);
  // Up to where all three are known.
  const throughRev = Math.min(
    participants.throughRev,
    moreMessages ? (messages.at(-1)?.rev ?? afterRev) : Number.POSITIVE_INFINITY,
  );
  const all: Change[] = [
    ...messages.map((message) => ({ rev: message.rev, message })),
    ...participants.told.map((participant) => ({ rev: participant.rev, participant })),
    ...hidden.map((entry) => ({ rev: entry.rev, hidden: entry })),
  ]
    .filter(({ rev }) => rev <= throughRev)
    .sort((a, b) => a.rev - b.rev);
  const readable = (change: Change): change is MessageChange =>
    'message' in change && change.message.seq >= member.visibleFromSeq;
  const { kept: given, bytes } = fitting(all.slice(0, room.changes), 0, room.bytes, (change) =>
    readable(change) ? messageView(change.message, head.headRev) : {},
  );
  const reached = all.length > given.length ? (given.at(-1)?.rev ?? afterRev) : throughRev;
  const more = reached < Number.POSITIVE_INFINITY;
  if (!more && since.seq >= 0) {
    const added = messages.filter((m) => m.seq > since.seq).length;
    // The cursor's seq is not that of its rev, or the store is behind its head: from the start both are told apart.
    if (added !== head.lastSeq - since.seq) return snapshot(context, acting, head, room);
  }
  room.bytes -= bytes;
  const delta: ConversationDelta = {
    ...base,
    head: headView(head),
    // A document may carry a change beyond the head; the cursor never does, so that the change is told when committed.
    cursor: more
      ? cursorAt(Math.min(reached, head.headRev), -1, reached > head.headRev ? reached : 0)
      : cursorAt(head.headRev, head.lastSeq),
    more,
  };
  // What was hidden before the cursor and changed after it comes again, and is told to be hidden again.
  const changed = given.filter(readable).map((change) => change.message);
  const stillHidden = await node.store.messages.areHidden(
    changed.map(({ seq }) => ({ tenantId, conversationId, userId, seq })),
  );
  const hiddenIds = new Set(changed.flatMap(({ messageId }, i) => (stillHidden[i] ? [messageId] : [])));
  for (const change of given) {
    if ('message' in change) {
      if (readable(change)) delta.messages.push(messageView(change.message, head.headRev));
    } else if ('participant' in change) {
      delta.participants.push(participantView(change.participant, head.headRev, userId));
    } else {
      hiddenIds.add(change.hidden.messageId);
    }
  }
  delta.hiddenMessageIds.push(...hiddenIds);
  if (head.metaRev > afterRev) delta.conversation = conversationView(head);
  return delta;
};

/**
 * Participations changed after a revision, and up to which revision these are all. In channels one's own and those of who
 * manages: how far each of many readers has read is told to nobody, and looked at only where who is in or a role changed.
 */
const participantsSince = async (
  { node, connection }: CommandContext,
  { conversation, rules }: ActingMember,
  head: ConversationDocument,
  knownRev: number,
  { afterRev, limit }: { afterRev: number; limit: number },
): Promise<{ told: ParticipantDocument[]; throughRev: number }> => {
  const { tenantId, userId } = connection.claims;
  const { participants } = node.store;
  if (rules.kind !== ConversationKind.CONVERSATION_KIND_CHANNEL)
    return {
      told: await participants.changedSince(conversation, afterRev, limit),
      throughRev: Number.POSITIVE_INFINITY,
    };
  if (head.membersRev <= knownRev) {
    const [own] = await participants.getMany([{ tenantId, conversationId: conversation.conversationId, userId }]);
    return { told: own && own.rev > afterRev ? [own] : [], throughRev: Number.POSITIVE_INFINITY };
  }
  const changed = await participants.changedSince(conversation, afterRev, limit);
  return {
    told: changed.filter((p) => p.userId === userId || manages(p.role) || manages(p.wasRole)),
    throughRev: changed.length < limit ? Number.POSITIVE_INFINITY : (changed.at(-1) as ParticipantDocument).rev,
  };
};

const emptyDelta = (conversationId: string): ConversationDelta => ({
  conversationId,
  refused: ErrorReason.ERROR_REASON_UNSPECIFIED,
  messages: [],
  participants: [],
  conversation: undefined,
  hiddenMessageIds: [],
  head: undefined,
  cursor: '',
  more: false,
  limited: undefined,
});

/**
 * A snapshot with a hole must not look whole (a store that reads behind its own head). Where it begins is told, with the
 * digest of what is before: a hole there is found by that.
 */
const assertContiguous = (messages: readonly MessageDocument[], toSeq: number): void => {
  const whole = messages.length > 0 && messages.every((m, i) => m.seq === toSeq - messages.length + 1 + i);
  if (!whole) fail('HISTORY_UNAVAILABLE', 'the message store is behind its head');
};
