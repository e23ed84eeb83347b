import { hash } from 'node:crypto';
import { type Member, Refused } from './member.ts';
import type { Conversation } from './target.ts';
import { pause } from './window.ts';

interface Head {
  lastSeq?: number | string;
  digest?: string;
}

const pageMessages = 200;
const maxAskMs = 60_000;

/** An engine that is still busy with the load may refuse to read for a while: what may be repeated is. */
const ask = async (member: Member, command: Record<string, unknown>): Promise<Record<string, unknown>> => {
  const deadline = Date.now() + maxAskMs;
  for (;;) {
    try {
      return await member.request(command);
    } catch (thrown) {
      if (!(thrown instanceof Refused) || thrown.retryAfterMs === undefined || Date.now() > deadline) throw thrown;
      await pause(thrown.retryAfterMs);
    }
  }
};

const headOf = async (member: Member, conversationId: string): Promise<{ lastSeq: number; digest: string }> => {
  const reply = (await ask(member, { getConversation: { conversationId } })) as {
    conversation: { conversation: { head?: Head } };
  };
  const head = reply.conversation.conversation.head;
  return { lastSeq: Number(head?.lastSeq ?? 0), digest: head?.digest ?? '' };
};

/** Resolves when each conversation's head covers what was accepted in it; rejects when one goes past it. */
export const untilPersisted = async (
  conversations: readonly Conversation[],
  acceptedIn: (conversation: number) => number,
): Promise<void> => {
  for (const [c, { id, members }] of conversations.entries()) {
    for (;;) {
      const { lastSeq } = await headOf(members[0] as Member, id);
      if (lastSeq === acceptedIn(c)) break;
      if (lastSeq > acceptedIn(c)) throw new Error(`${id}: ${acceptedIn(c)} accepted, ${lastSeq} persisted`);
      await pause(5);
    }
  }
};

/** Reads a conversation back: seq 1 … n with no gap, and the digest of its ids is the head's. */
export const verifyHistory = async ({ id, members }: Conversation): Promise<number> => {
  const reader = members[0] as Member;
  const head = await headOf(reader, id);
  let digest = '0000000000000000';
  let seq = 0;
  while (seq < head.lastSeq) {
    const reply = (await ask(reader, {
      getHistory:
        seq === 0
          ? { conversationId: id, aroundSeq: 1, limit: 1 }
          : { conversationId: id, afterSeq: seq, limit: pageMessages },
    })) as { history: { messages: { seq: number | string; messageId: string }[] } };
    for (const message of reply.history.messages) {
      if (Number(message.seq) !== seq + 1) throw new Error(`${id}: ${message.seq} follows ${seq}`);
      seq++;
      digest = hash('sha256', Buffer.concat([Buffer.from(digest, 'hex'), Buffer.from(message.messageId)]), 'hex').slice(
        0,
        16,
      );
    }
    if (reply.history.messages.length === 0) throw new Error(`${id}: nothing after ${seq} of ${head.lastSeq}`);
  }
  if (digest !== head.digest) throw new Error(`${id}: digest of the history is ${digest}, of the head ${head.digest}`);
  return seq;
};
