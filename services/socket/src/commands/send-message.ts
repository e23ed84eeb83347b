import type { Judgement } from '@caas/compliance-client/policy-client';
import { CaasError, fail } from '@caas/kit';
import type { ForwardedFrom, MessageContent, PlainContent } from '@caas/proto/caas/events/v1/content';
import type { MessageSent } from '@caas/proto/caas/events/v1/message_events';
import type { ContentKey } from '../delivery/contents.ts';
import { assertSameContent, type SendOutcome } from '../delivery/recent-sends.ts';
import { assertClientId, assertContent } from '../model/content.ts';
import { contentHash, messageIdOf, type SendContent } from '../model/message-id.ts';
import { assertMaySend } from '../model/rules.ts';
import { type ActingMember, actingMember } from './act.ts';
import { withAttachments } from './attachments.ts';
import { accepted, type Command, type CommandContext, type Result } from './command.ts';
import { holdBack } from './held.ts';
import { applied, judgementOf } from './judged.ts';

/** Sends a message: answered once the log holds it. */
export const sendMessage: Command<'sendMessage'> = (context, request) => {
  const { connection } = context;
  assertClientId(request.clientMsgId, 'client_msg_id');
  const content = assertContent(request.content, connection.limits);
  const said = {
    content,
    replyToMessageId: request.replyToMessageId,
    threadRootId: request.threadRootId,
    forwardedMessageId: '',
  };
  const outgoing = { ...request, said };
  if (content.attachments.length === 0) return send(context, outgoing, { content, forwardedFrom: undefined });
  return send(context, outgoing, async () => ({
    content: await withAttachments(context, content),
    forwardedFrom: undefined,
  }));
};

/** What makes a send the one it is: the same again is a retry of it. */
export interface Outgoing {
  conversationId: string;
  clientMsgId: string;
  /** True: the client did not see an answer to an earlier one. */
  retry: boolean;
  said: SendContent;
}

/** What is written where there was no earlier send. */
export interface Words {
  content: PlainContent;
  forwardedFrom: ForwardedFrom | undefined;
}

interface Identified extends Outgoing {
  messageId: string;
  hash: Buffer;
}

/**
 * The common way of sends and forwards. An earlier send is looked for before anything is judged: what was kept stays
 * kept, whatever has become since of the conversation, the membership or a forward's original. Takes its place in the
 * log before it returns where membership is known here, the sender's key is in hand and nothing needs looking up (ADR 15
 * says when that is).
 */
export const send = (
  context: CommandContext,
  outgoing: Outgoing,
  words: Words | (() => Promise<Words>),
): Promise<Result> => {
  const { node, connection } = context;
  const { tenantId, userId } = connection.claims;
  const messageId = messageIdOf(tenantId, outgoing.conversationId, userId, outgoing.clientMsgId);
  const hash = contentHash(node.hashKey, messageId, outgoing.said);
  const identified = { ...outgoing, messageId, hash };
  // A retry asks the store first: what was kept decides, not what this node took last and may yet hear is rejected.
  if (outgoing.retry) return publishLater(context, identified, words);
  const earlier = earlierAnswer(context, identified);
  if (earlier !== undefined) return earlier;
  if (typeof words === 'object') {
    const known = node.directory.knownMember(connection, outgoing.conversationId);
    const rules = known?.conversation.rules;
    if (known && rules && !rules.hidesHistory) {
      assertMaySend(rules, known.member.role);
      const judgement = judgementOf(context, words.content);
      if (judgement instanceof Promise) return publishLater(context, identified, words, judgement);
      const key = node.contents.keyInHand(tenantId, userId);
      if (key) return publish(context, identified, known, words, judgement, key);
    }
  }
  return publishLater(context, identified, words);
};

const publishLater = async (
  context: CommandContext,
  outgoing: Identified,
  words: Words | (() => Promise<Words>),
  begun?: Promise<Judgement>,
): Promise<Result> => {
  const stored = outgoing.retry ? await storedOutcome(context, outgoing) : undefined;
  if (stored && !(stored instanceof CaasError)) {
    return accepted(context, outgoing.messageId, stored.position, stored.acceptedAtMs);
  }
  const earlier = earlierAnswer(context, outgoing);
  if (earlier !== undefined) return earlier;
  const judged = await judge(context, outgoing.conversationId, words).catch((error: unknown) => {
    if (stored && error instanceof CaasError && !error.retryable) return maybeKept(error);
    throw error;
  });
  // Where history is hidden from who joins, a repetition without the flag must not carry it to them either.
  const found = outgoing.retry || !judged.acting.rules.hidesHistory ? stored : await storedOutcome(context, outgoing);
  if (found && !(found instanceof CaasError))
    return accepted(context, outgoing.messageId, found.position, found.acceptedAtMs);
  // A retry nobody can tell from the first time may be of what is deleted or hidden by now.
  const deliver = !(outgoing.retry && found instanceof CaasError);
  const judgement = await (begun ?? judgementOf(context, judged.said.content));
  const { tenantId, userId } = context.connection.claims;
  const key = await context.node.contents.key(tenantId, userId);
  // Another connection of the user may have sent it meanwhile.
  const meanwhile = earlierAnswer(context, outgoing);
  if (meanwhile !== undefined) return meanwhile;
  if (found && (judgement.kind === 'reject' || judgement.kind === 'hold')) return maybeKept(found);
  return publish(context, outgoing, judged.acting, judged.said, judgement, key, deliver);
};

/** A final refusal of what may have been kept would be a lie: the store is to be asked again. */
const maybeKept = (cause: CaasError): never =>
  fail('HISTORY_UNAVAILABLE', 'the message store does not tell whether this was sent', { cause });

const judge = async (
  context: CommandContext,
  conversationId: string,
  words: Words | (() => Promise<Words>),
): Promise<{ said: Words; acting: ActingMember }> => {
  const said = typeof words === 'function' ? await words() : words;
  const acting = await actingMember(context, conversationId);
  assertMaySend(acting.rules, acting.member.role);
  return { said, acting };
};

/** The answer of an earlier send of this node; throws IDEMPOTENCY_CONFLICT when that had other content. */
const earlierAnswer = (
  context: CommandContext,
  { messageId, hash }: Pick<Identified, 'messageId' | 'hash'>,
): Promise<Result> | undefined => {
  const earlier = context.node.recentSends.find(messageId, hash);
  if (earlier === undefined) return undefined;
  context.admitted();
  return earlier.then(({ position, acceptedAtMs }) => accepted(context, messageId, position, acceptedAtMs));
};

/**
 * A retry may be of a message another node accepted. Only of one's own: the id is derived from who asks. A CaasError
 * when the store can't tell.
 */
const storedOutcome = async (
  { node, connection }: CommandContext,
  { conversationId, messageId, hash }: Identified,
): Promise<SendOutcome | CaasError | undefined> => {
  const key = { tenantId: connection.claims.tenantId, conversationId };
  const found = await Promise.all([
    node.store.messages.getMany([{ ...key, messageId }]),
    node.store.conversations.getMany([key]),
  ]).catch((error: unknown) => {
    if (error instanceof CaasError) return error;
    throw error;
  });
  if (found instanceof CaasError) return found;
  const [[message], [conversation]] = found;
  if (!message || !conversation || message.seq > conversation.lastSeq) return undefined;
  assertSameContent(message.contentHash, hash);
  return { position: message.position, acceptedAtMs: message.acceptedAtMs };
};

const eventOf = (
  { node, connection }: CommandContext,
  { conversationId, clientMsgId, messageId, hash, said }: Identified,
  forwardedFrom: ForwardedFrom | undefined,
  content: MessageContent,
): MessageSent => ({
  tenantId: connection.claims.tenantId,
  conversationId,
  messageId,
  clientMsgId,
  senderId: connection.claims.userId,
  content,
  contentHash: hash,
  replyToMessageId: said.replyToMessageId,
  threadRootId: said.threadRootId,
  forwardedFrom,
  acceptedAtMs: node.clock.now(),
  nodeId: node.nodeId,
});

const publish = async (
  context: CommandContext,
  outgoing: Identified,
  { conversation }: Pick<ActingMember, 'conversation'>,
  { content: sent, forwardedFrom }: Words,
  judgement: Judgement,
  key: ContentKey,
  deliver = true,
): Promise<Result> => {
  const { node, connection } = context;
  const { conversationId, messageId, clientMsgId, hash } = outgoing;
  const place = { tenantId: connection.claims.tenantId, conversationId, messageId };
  if (judgement.kind === 'hold') {
    const content = node.contents.written(key, { ...sent, text: judgement.text }, place);
    const value = eventOf(context, outgoing, forwardedFrom, content);
    return holdBack(context, judgement, { $case: 'sent', value }, hash);
  }
  const judged = applied(context, judgement, sent, { conversationId, messageId, clientMsgId });
  const event = eventOf(context, outgoing, forwardedFrom, { body: { $case: 'plain', value: judged.content } });
  const { acceptedAtMs } = event;
  const sealed = node.contents.sealedForSend(key, judged.content, place);
  const outcome = new Promise<SendOutcome>((resolve, reject: (error: CaasError) => void) => {
    node.messages.send(
      conversation,
      event,
      sealed,
      { traceparent: context.traceparent, deliver },
      (position) => resolve({ position, acceptedAtMs }),
      reject,
    );
  });
  node.recentSends.add(conversationId, messageId, hash, outcome);
  context.admitted();
  const { position } = await outcome;
  judged.accepted();
  return accepted(context, messageId, position, acceptedAtMs);
};
