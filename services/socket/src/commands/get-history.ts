import { fail } from '@caas/kit';
import { created, type SeqRange } from '@caas/message-store';
import type { ConversationDocument, MessageDocument } from '@caas/proto/caas/events/v1/documents';
import type { GetHistory } from '@caas/proto/caas/socket/v1/commands';
import type { HistoryPage } from '@caas/proto/caas/socket/v1/server_frames';
import { fitting } from '../model/reply-bytes.ts';
import { headView, messageView } from '../model/views.ts';
import { type ActingMember, actingMember } from './act.ts';
import type { Command, CommandContext } from './command.ts';

const defaultLimit = 50;

/** Reads messages by seq: before, after or around one, or the newest. */
export const getHistory: Command<'getHistory'> = async (context, request) => {
  const acting = await actingMember(context, request.conversationId);
  const head = await headOf(context, acting);
  const range = rangeOf(request, acting.member.visibleFromSeq, head.lastSeq);
  const messages = await context.node.contents.read(await messagesIn(context, acting, range, request.aroundSeq));
  const fit = fittingMessages(context, head, messages, anchorOf(request, range, messages));
  return { $case: 'history', value: await pageOf(context, acting, head, fit) };
};

/** What there is of a range, from its side on and as far as a reply has room; around a message, from there to both sides. */
const messagesIn = async (
  { node }: CommandContext,
  { conversation }: ActingMember,
  range: SeqRange,
  aroundSeq: number,
): Promise<MessageDocument[]> => {
  const { maxReplyBytes } = node.bounds;
  const read = (part: SeqRange): Promise<MessageDocument[]> =>
    part.toSeq >= part.fromSeq && part.limit > 0 ? node.store.messages.page(conversation, part) : Promise.resolve([]);
  if (aroundSeq === 0) return read({ ...range, maxBytes: maxReplyBytes });
  const maxBytes = maxReplyBytes / 2;
  // Not past either end: the one asked for may be one there is not yet, or not any more for this member.
  const middle = Math.max(range.fromSeq, Math.min(aroundSeq, range.toSeq));
  const before = middle - range.fromSeq;
  const [older, newer] = await Promise.all([
    read({ fromSeq: range.fromSeq, toSeq: middle - 1, limit: before, maxBytes, from: 'newest' }),
    read({ fromSeq: middle, toSeq: range.toSeq, limit: range.limit - before, maxBytes, from: 'oldest' }),
  ]);
  return [...older, ...newer];
};

export const headOf = async (
  context: CommandContext,
  { conversation }: ActingMember,
): Promise<ConversationDocument> => {
  const [head] = await context.node.store.conversations.getMany([conversation]);
  return created(head) ? head : fail('CONVERSATION_NOT_FOUND', 'no such conversation');
};

/** Index of the message a page must not lose: the one asked for, else the one at the end `limit` counts from. */
const anchorOf = ({ aroundSeq }: GetHistory, { from }: SeqRange, messages: readonly MessageDocument[]): number => {
  const around = aroundSeq === 0 ? -1 : messages.findIndex((m) => m.seq >= aroundSeq);
  return around >= 0 ? around : from === 'oldest' && aroundSeq === 0 ? 0 : messages.length - 1;
};

/** What of a page fits in a reply, around the message at `anchor`. */
export const fittingMessages = (
  { node }: CommandContext,
  head: ConversationDocument,
  messages: readonly MessageDocument[],
  anchor: number,
): readonly MessageDocument[] =>
  fitting(messages, anchor, node.bounds.maxReplyBytes, (m) => messageView(m, head.headRev)).kept;

/** Pure: the seqs a request asks for, within what the member may read. */
export const rangeOf = (request: GetHistory, visibleFromSeq: number, lastSeq: number): SeqRange => {
  const { beforeSeq, afterSeq, aroundSeq } = request;
  if ([beforeSeq, afterSeq, aroundSeq].filter((seq) => seq !== 0).length > 1) {
    fail('INVALID_ARGUMENT', 'at most one of before_seq, after_seq and around_seq', {
      details: { field: 'before_seq' },
    });
  }
  const limit = request.limit || defaultLimit;
  const first = Math.max(1, visibleFromSeq);
  if (afterSeq !== 0) return { fromSeq: Math.max(first, afterSeq + 1), toSeq: lastSeq, limit, from: 'oldest' };
  if (aroundSeq !== 0) {
    const fromSeq = Math.max(first, Math.min(aroundSeq - Math.floor(limit / 2), lastSeq - limit + 1));
    return { fromSeq, toSeq: lastSeq, limit, from: 'oldest' };
  }
  return { fromSeq: first, toSeq: beforeSeq !== 0 ? Math.min(beforeSeq - 1, lastSeq) : lastSeq, limit, from: 'newest' };
};

/** A page without what the user has hidden for themselves. */
export const pageOf = async (
  context: CommandContext,
  { conversation, member }: ActingMember,
  head: ConversationDocument,
  messages: readonly MessageDocument[],
): Promise<HistoryPage> => {
  const first = messages.at(0);
  const last = messages.at(-1);
  const { tenantId, userId } = context.connection.claims;
  const key = { tenantId, conversationId: conversation.conversationId, userId };
  const hidden = new Set(first && last ? await context.node.store.messages.hiddenIn(key, first.seq, last.seq) : []);
  return {
    messages: messages.filter((m) => !hidden.has(m.messageId)).map((m) => messageView(m, head.headRev)),
    head: headView(head),
    moreBefore: first !== undefined && first.seq > Math.max(1, member.visibleFromSeq),
    moreAfter: last !== undefined && last.seq < head.lastSeq,
  };
};
