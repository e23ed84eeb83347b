import {
  type ContentPolicy,
  PersonalDataKind,
  PolicyAction,
  type PolicyRule,
} from '@caas/proto/caas/compliance/v1/policy_service';

const actions = {
  allow: PolicyAction.POLICY_ACTION_ALLOW,
  flag: PolicyAction.POLICY_ACTION_FLAG,
  mask: PolicyAction.POLICY_ACTION_MASK,
  hold: PolicyAction.POLICY_ACTION_HOLD,
  reject: PolicyAction.POLICY_ACTION_REJECT,
};
export type Match = NonNullable<PolicyRule['match']>;

export const aRule = (
  match: Match | undefined,
  action: keyof typeof actions = 'mask',
  over: Partial<PolicyRule> = {},
): PolicyRule => ({
  ruleId: `rule-${action}`,
  match,
  action: actions[action],
  publicReason: '',
  remoteReview: false,
  ...over,
});
export const words = (...list: string[]): Match => ({ $case: 'words', value: { words: list } });
export const patterns = (...list: string[]): Match => ({ $case: 'patterns', value: { patterns: list } });
export const personal = (kind: 'CARD_NUMBER' | 'IBAN' | 'EMAIL' | 'PHONE'): Match => ({
  $case: 'personalData',
  value: { kinds: [PersonalDataKind[`PERSONAL_DATA_KIND_${kind}`]] },
});
export const links = (allowedDomains: string[], deniedDomains: string[] = []): Match => ({
  $case: 'links',
  value: { allowedDomains, deniedDomains },
});
export const aPolicy = (...rules: PolicyRule[]): ContentPolicy => ({
  tenantId: 'acme',
  version: 1,
  rules,
  openWithoutVerdict: false,
  putAtMs: 0,
  putBy: '',
});
