import type { Verdict } from '@caas/compliance-client/policy';
import {
  PolicyAction,
  type ReviewContentRequest,
  type ReviewContentResponse,
  type Verdict as WireVerdict,
} from '@caas/proto/caas/compliance/v1/policy_service';
import type { ComplianceCore } from '../core.ts';

const actions = {
  allow: PolicyAction.POLICY_ACTION_ALLOW,
  flag: PolicyAction.POLICY_ACTION_FLAG,
  mask: PolicyAction.POLICY_ACTION_MASK,
  hold: PolicyAction.POLICY_ACTION_HOLD,
  reject: PolicyAction.POLICY_ACTION_REJECT,
} as const;

const wireVerdict = (number: number, verdict: Verdict): WireVerdict => ({
  number,
  action: actions[verdict.kind],
  ruleIds: verdict.kind === 'allow' ? [] : [...verdict.ruleIds],
  publicReason: 'publicReason' in verdict ? verdict.publicReason : '',
  maskedText: 'text' in verdict ? verdict.text : '',
});

/** Judges contents, batch by batch. What gets no verdict gets no answer: who asks knows what its tenant wants then. */
export const reviewContent = ({ reviewer }: Pick<ComplianceCore, 'reviewer'>) =>
  async function* (requests: AsyncIterable<ReviewContentRequest>): AsyncGenerator<ReviewContentResponse> {
    for await (const { items } of requests) {
      const verdicts: WireVerdict[] = [];
      for (const item of items) {
        const verdict = await reviewer.review(item);
        if (verdict) verdicts.push(wireVerdict(item.number, verdict));
      }
      yield { verdicts };
    }
  };
