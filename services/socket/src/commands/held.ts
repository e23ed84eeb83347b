import type { Judgement } from '@caas/compliance-client/policy-client';
import { fail } from '@caas/kit';
import type { HeldContent } from '@caas/proto/caas/compliance/v1/policy_service';
import { noteAct } from './audited.ts';
import type { CommandContext } from './command.ts';

export type HoldJudgement = Extract<Judgement, { kind: 'hold' }>;

/**
 * Has what the policy holds kept for a moderator, and answers so: throws CONTENT_HELD once it is kept. The hash tells it from
 * other content of the same message, so that a retry is held once.
 */
export const holdBack = async (
  context: CommandContext,
  { ruleIds, publicReason, version }: HoldJudgement,
  event: NonNullable<HeldContent['event']>,
  hash: Buffer,
): Promise<never> => {
  const { node, connection, traceparent, traceId } = context;
  const isEdit = event.$case === 'edited';
  const heldId = `${event.$case}-${hash.toString('hex')}`;
  const content = { heldId, event, policyVersion: version, ruleIds: [...ruleIds], traceId, heldAtMs: 0 };
  await node.policies.hold(connection.claims.tenantId, content, traceparent);
  const { conversationId, messageId } = event.value;
  const [ruleId = ''] = ruleIds;
  const details = { policy_version: String(version), rule_ids: ruleIds.join(' '), ...(isEdit && { edit: 'true' }) };
  noteAct(context, 'policy.held', { subjectId: messageId, conversationId, details, reason: 'CONTENT_HELD' });
  return fail('CONTENT_HELD', 'the content policy holds this for a moderator', {
    details: { rule_id: ruleId, public_reason: publicReason, policy_version: String(version) },
  });
};
