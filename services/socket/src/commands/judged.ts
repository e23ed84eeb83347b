import type { Judgement } from '@caas/compliance-client/policy-client';
import { recordOf, Topic } from '@caas/event-log';
import { fail, reasonNumber } from '@caas/kit';
import { encodeMessage } from '@caas/kit/encode';
import type { PlainContent } from '@caas/proto/caas/events/v1/content';
import { MessageRejected } from '@caas/proto/caas/events/v1/message_events';
import { noteAct } from './audited.ts';
import type { CommandContext } from './command.ts';
import type { HoldJudgement } from './held.ts';

/** What the content is said in. */
export interface SaidIn {
  conversationId: string;
  messageId: string;
  /** Empty for an edit. */
  clientMsgId: string;
}

/** What may be said, and what is to be told of it once it is. */
export interface Judged {
  content: PlainContent;
  accepted(): void;
}

const untold = (): void => undefined;
const nothingToJudge: Judgement = { kind: 'allow', version: 0 };

/** What the tenant's policy says of a content's text: at once, where it is at hand. Never rejects. */
export const judgementOf = (
  { node, connection }: CommandContext,
  { text }: PlainContent,
): Judgement | Promise<Judgement> =>
  text === '' ? nothingToJudge : node.policies.judge(connection.claims.tenantId, text);

/** Does what the policy says, but for holding: throws CONTENT_REJECTED or POLICY_UNAVAILABLE, else answers what may be said. */
export const applied = (
  context: CommandContext,
  judgement: Exclude<Judgement, HoldJudgement>,
  content: PlainContent,
  saidIn: SaidIn,
): Judged => {
  switch (judgement.kind) {
    case 'allow':
      return { content, accepted: untold };
    case 'unavailable':
      return fail('POLICY_UNAVAILABLE', 'there is no verdict of the content policy');
    case 'reject':
      return rejected(context, judgement, saidIn);
    case 'mask':
      return {
        content: { ...content, text: judgement.text },
        accepted: () => note(context, 'policy.masked', judgement, saidIn),
      };
    case 'flag':
      return { content, accepted: () => note(context, 'policy.flagged', judgement, saidIn) };
    case 'unjudged':
      return { content, accepted: () => note(context, 'policy.unjudged', judgement, saidIn) };
  }
};

const rejected = (
  context: CommandContext,
  judgement: Extract<Judgement, { kind: 'reject' }>,
  saidIn: SaidIn,
): never => {
  const [ruleId = ''] = judgement.ruleIds;
  note(context, 'policy.rejected', judgement, saidIn);
  tell(context, ruleId, judgement.version, saidIn);
  return fail('CONTENT_REJECTED', 'the content policy refused this', {
    details: { rule_id: ruleId, public_reason: judgement.publicReason, policy_version: String(judgement.version) },
  });
};

/** The record is for those who follow the topic; the sender has the answer, and the audit log the entry. */
const tell = (
  { node, connection, traceparent, traceId }: CommandContext,
  ruleId: string,
  version: number,
  saidIn: SaidIn,
): void => {
  const { tenantId, userId } = connection.claims;
  const event: MessageRejected = {
    tenantId,
    ...saidIn,
    senderId: userId,
    position: 0,
    reason: reasonNumber('CONTENT_REJECTED'),
    traceId,
    ruleId,
    policyVersion: version,
    edit: saidIn.clientMsgId === '',
  };
  const value = encodeMessage(MessageRejected, event);
  node.messages.writer
    .append(recordOf(Topic.messageRejected, 'MessageRejected', tenantId, saidIn.conversationId, value, traceparent))
    .catch((err: unknown) =>
      node.logger.warn({ err, traceId }, 'a rejection is not on its topic; the audit log has it'),
    );
};

const note = (
  context: CommandContext,
  action: 'policy.rejected' | 'policy.masked' | 'policy.flagged' | 'policy.unjudged',
  judgement: Judgement,
  { conversationId, messageId, clientMsgId }: SaidIn,
): void => {
  const details = {
    policy_version: String(judgement.version),
    rule_ids: 'ruleIds' in judgement ? judgement.ruleIds.join(' ') : undefined,
    edit: clientMsgId === '' ? 'true' : undefined,
  };
  noteAct(context, action, {
    subjectId: messageId,
    conversationId,
    details,
    ...(judgement.kind === 'reject' && { reason: 'CONTENT_REJECTED' }),
    ...(judgement.kind === 'unjudged' && { reason: 'POLICY_UNAVAILABLE', failed: true }),
  });
};
