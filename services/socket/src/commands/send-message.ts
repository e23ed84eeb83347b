import { type CaasError, fail } from '@caas/kit';
import type { ForwardedFrom } from '@caas/proto/caas/events/v1/content';
import type { LocalConversation, LocalMember } from '../delivery/local.ts';
import { assertSameContent, type SendOutcome } from '../delivery/recent-sends.ts';
import { assertClientId, assertContent } from '../model/content.ts';
import { contentHash, messageIdOf, type SendContent } from '../model/message-id.ts';
import { assertMaySend } from '../model/rules.ts';
import { accepted, type Command, type CommandContext, type Result } from './command.ts';

/** Sends a message: answered once the log holds it. */
export const sendMessage: Command<'sendMessage'> = (context, request) => {
  const { connection } = context;
  assertClientId(request.clientMsgId, 'client_msg_id');
  const content = assertContent(request.content, connection.limits);
  return send(context, {
    conversationId: request.conversationId,
    clientMsgId: request.clientMsgId,
    retry: request.retry,
    forwardedFrom: undefined,
    send: {
      content,
      replyToMessageId: request.replyToMessageId,
      threadRootId: request.threadRootId,
      forwardedMessageId: '',
    },
  });
};

export interface Outgoing {
  conversationId: string;
  clientMsgId: string;
  retry: boolean;
  forwardedFrom: ForwardedFrom | undefined;
  send: SendContent;
}

/** The common way of sends and forwards. Takes its place in the log before it returns where membership is known here. */
export const send = (context: CommandContext, outgoing: Outgoing): Promise<Result> => {
  const { node, connection } = context;
  const known = node.directory.knownMember(connection, outgoing.conversationId);
  if (known && !outgoing.retry) return publish(context, outgoing, known);
  return publishLater(context, outgoing);
};

const publishLater = async (context: CommandContext, outgoing: Outgoing): Promise<Result> => {
  const { node, connection } = context;
  const known = await node.directory.member(connection, outgoing.conversationId);
  if (outgoing.retry) {
    const { tenantId, userId } = connection.claims;
    const messageId = messageIdOf(tenantId, outgoing.conversationId, userId, outgoing.clientMsgId);
    const stored = await storedOutcome(context, outgoing, messageId);
    if (stored) return accepted(context, messageId, stored.position, stored.acceptedAtMs);
  }
  return publish(context, outgoing, known);
};

/** A retry may be of a message another node accepted; if the store can't tell, the worker will. */
const storedOutcome = async (
  { node, connection }: CommandContext,
  outgoing: Outgoing,
  messageId: string,
): Promise<SendOutcome | undefined> => {
  const hash = contentHash(node.hashKey, messageId, outgoing.send);
  if (node.recentSends.find(messageId, hash) !== undefined) return undefined;
  const { tenantId } = connection.claims;
  const key = { tenantId, conversationId: outgoing.conversationId };
  const found = await Promise.all([
    node.store.messages.getMany([{ ...key, messageId }]),
    node.store.conversations.getMany([key]),
  ]).catch(() => undefined);
  const message = found?.[0][0];
  const conversation = found?.[1][0];
  if (!message || !conversation || message.seq > conversation.lastSeq) return undefined;
  assertSameContent(message.contentHash, hash);
  return { position: message.position, acceptedAtMs: message.acceptedAtMs };
};

const publish = async (
  context: CommandContext,
  outgoing: Outgoing,
  { conversation, member }: { conversation: LocalConversation; member: LocalMember },
): Promise<Result> => {
  const { node, connection } = context;
  const { tenantId, userId } = connection.claims;
  const { conversationId, clientMsgId, forwardedFrom } = outgoing;
  assertMaySend(conversation.rules ?? fail('CONVERSATION_NOT_FOUND', 'no such conversation'), member.role);
  const messageId = messageIdOf(tenantId, conversationId, userId, clientMsgId);
  const hash = contentHash(node.hashKey, messageId, outgoing.send);
  const earlier = node.recentSends.find(messageId, hash);
  if (earlier !== undefined) {
    context.admitted();
    const { position, acceptedAtMs } = await earlier;
    return accepted(context, messageId, position, acceptedAtMs);
  }
  const acceptedAtMs = node.clock.now();
  const outcome = new Promise<SendOutcome>((resolve, reject: (error: CaasError) => void) => {
    node.messages.send(
      conversation,
      {
        tenantId,
        conversationId,
        messageId,
        clientMsgId,
        senderId: userId,
        content: { body: { $case: 'plain', value: outgoing.send.content } },
        contentHash: hash,
        replyToMessageId: outgoing.send.replyToMessageId,
        threadRootId: outgoing.send.threadRootId,
        forwardedFrom,
        acceptedAtMs,
        nodeId: node.nodeId,
      },
      context.traceparent,
      (position) => resolve({ position, acceptedAtMs }),
      reject,
    );
  });
  node.recentSends.add(messageId, hash, outcome);
  context.admitted();
  const { position } = await outcome;
  return accepted(context, messageId, position, acceptedAtMs);
};
