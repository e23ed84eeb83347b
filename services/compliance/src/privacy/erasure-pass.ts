import { createHash } from 'node:crypto';
import type { NewRecord } from '@caas/event-log';
import { isActive } from '@caas/message-store';
import { ConversationKind } from '@caas/proto/caas/events/v1/content';
import type { ConversationDocument, MessageDocument, ParticipantDocument } from '@caas/proto/caas/events/v1/documents';
import { stretchMs } from '../limits.ts';
import type { PrivacyCore } from './core.ts';
import { conversationAt, messagesAfter } from './scan.ts';
import { append, deletionOf, leavingOf, type Moment, reactionsOff } from './tombstones.ts';

/** Where a pass over all that there is of a user is, and what it has found. JSON. */
export interface Pass {
  /** Conversation it is in, or has ended with when `seq` is -1; empty: none yet. */
  conversationId: string;
  /** Last message it has seen there. */
  seq: number;
  /** What it had to do. */
  found: number;
  reactions: number;
  left: number;
  /** The user's tombstones, and a hash over them: see chained. */
  tombstones: number;
  chain: string;
}

export const newPass = (): Pass => ({
  conversationId: '',
  seq: -1,
  found: 0,
  reactions: 0,
  left: 0,
  tombstones: 0,
  chain: '0'.repeat(64),
});

/** h(n) = SHA-256(h(n-1) ‖ "conversation/seq/message\n"), by conversation id and seq; h(0) is 32 zero bytes. */
const chained = (chain: string, { conversationId, seq, messageId }: MessageDocument): string =>
  createHash('sha256')
    .update(Buffer.from(chain, 'hex'))
    .update(`${conversationId}/${seq}/${messageId}\n`)
    .digest('hex');

interface Passing {
  core: PrivacyCore;
  userId: string;
  moment: Moment;
  pass: Pass;
}

/** What is to be done about a message, noted in the pass. */
const about = ({ userId, moment, pass }: Passing, message: MessageDocument): NewRecord[] => {
  if (message.deletedAtMs > 0) {
    if (message.senderId !== userId) return [];
    pass.tombstones += 1;
    pass.chain = chained(pass.chain, message);
    return [];
  }
  if (message.senderId === userId) return [deletionOf(message, userId, moment)];
  const off = reactionsOff(message, userId, moment);
  pass.reactions += off.length;
  return off;
};

/** A direct conversation is not left: it stays the other one's. */
const leaving = (
  { userId, moment, pass }: Passing,
  own: ParticipantDocument,
  { kind }: ConversationDocument,
): NewRecord[] => {
  if (!isActive(own) || kind === ConversationKind.CONVERSATION_KIND_DIRECT) return [];
  pass.left += 1;
  return [leavingOf(own, userId, moment)];
};

/** One read of a conversation's messages and what follows from it; answers how many it has read. */
const step = async (passing: Passing, own: ParticipantDocument): Promise<number> => {
  const { core, pass } = passing;
  const conversation = await conversationAt(core.messages, own);
  const messages = conversation ? await messagesAfter(core.messages, conversation, pass.seq) : [];
  const records = messages.flatMap((message) => about(passing, message));
  const lastSeq = messages.at(-1)?.seq;
  const ended = lastSeq === undefined || lastSeq >= (conversation?.lastSeq ?? 0);
  if (ended && conversation) records.push(...leaving(passing, own, conversation));
  await append(core, records);
  pass.found += records.length;
  pass.seq = ended ? -1 : lastSeq;
  return messages.length;
};

/** The participation a pass is in, or the next one. */
const next = async (core: PrivacyCore, tenantId: string, userId: string, pass: Pass) => {
  const { participants } = core.messages;
  const { conversationId } = pass;
  if (pass.seq >= 0) return (await participants.getMany([{ tenantId, conversationId, userId }]))[0];
  const page = { afterConversationId: conversationId, limit: 1, activeOnly: false };
  return (await participants.ofUser(tenantId, userId, page))[0];
};

/**
 * Goes on with a pass for a while: makes tombstones of what the user said, takes back their reactions and leaves where they are.
 * What it asks for is done by the workers, so that what it finds the next time is what is left to do.
 */
export const passOn = async (
  core: PrivacyCore,
  { tenantId, userId }: { tenantId: string; userId: string },
  from: Pass,
  traceparent: string,
): Promise<{ pass: Pass; read: number; ended: boolean }> => {
  const pass = { ...from };
  const untilMs = performance.now() + stretchMs;
  let read = 0;
  do {
    const own = await next(core, tenantId, userId, pass);
    if (!own) return { pass, read, ended: true };
    if (pass.seq < 0) Object.assign(pass, { conversationId: own.conversationId, seq: 0 });
    read += await step({ core, userId, moment: { nowMs: core.clock.now(), traceparent }, pass }, own);
  } while (performance.now() < untilMs);
  return { pass, read, ended: false };
};
