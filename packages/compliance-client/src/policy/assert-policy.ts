import { fail } from '@caas/kit';
import {
  type ContentPolicy,
  PersonalDataKind,
  PolicyAction,
  type PolicyRule,
} from '@caas/proto/caas/compliance/v1/policy_service';
import { maxPolicyPatterns, maxPolicyWords } from './limits.ts';
import { domainOf } from './links.ts';
import { foldWord } from './words.ts';

/** Refuses a policy and says where: the field by its path in the request. */
export const refuseField = (rule: PolicyRule | undefined, field: string, why: string): never =>
  fail('INVALID_ARGUMENT', `${field}: ${why}`, { details: { field, rule_id: rule?.ruleId ?? '' } });

const idPattern = /^[\x21-\x7e]{1,64}$/;

/** Throws unless every rule can be applied as it stands; what only compiling shows (patterns) is left to that. */
export const assertPolicy = ({ rules }: ContentPolicy): void => {
  const ids = new Set<string>();
  for (const [i, rule] of rules.entries()) {
    const at = `policy.rules[${i}]`;
    if (!idPattern.test(rule.ruleId)) refuseField(rule, `${at}.rule_id`, 'must be printable ASCII without blanks');
    if (ids.has(rule.ruleId)) refuseField(rule, `${at}.rule_id`, 'is the id of another rule');
    ids.add(rule.ruleId);
    assertAction(rule, at);
    assertMatch(rule, at);
  }
  assertTotal(rules, 'words', maxPolicyWords, (rule) =>
    rule.match?.$case === 'words' ? rule.match.value.words.length : 0,
  );
  assertTotal(rules, 'patterns', maxPolicyPatterns, (rule) =>
    rule.match?.$case === 'patterns' ? rule.match.value.patterns.length : 0,
  );
};

const assertAction = (rule: PolicyRule, at: string): void => {
  const field = `${at}.action`;
  switch (rule.action) {
    case PolicyAction.POLICY_ACTION_UNSPECIFIED:
      refuseField(rule, field, 'is missing');
      break;
    case PolicyAction.POLICY_ACTION_MASK:
      if (rule.match?.$case === 'length') refuseField(rule, field, 'a text that is too long has no part to mask');
  }
};

const assertMatch = (rule: PolicyRule, at: string): void => {
  const match = rule.match ?? refuseField(rule, at, 'has nothing to look for');
  if (match.$case === 'words') {
    const index = match.value.words.findIndex((word) => foldWord(word) === '');
    if (index >= 0) refuseField(rule, `${at}.words.words[${index}]`, 'has no letter or sign that can be seen');
  }
  if (match.$case === 'personalData') {
    const index = match.value.kinds.indexOf(PersonalDataKind.PERSONAL_DATA_KIND_UNSPECIFIED);
    if (index >= 0) refuseField(rule, `${at}.personal_data.kinds[${index}]`, 'is missing');
  }
  if (match.$case === 'links') {
    for (const list of ['allowedDomains', 'deniedDomains'] as const) {
      const index = match.value[list].findIndex((name) => domainOf(name) === '');
      const name = list === 'allowedDomains' ? 'allowed_domains' : 'denied_domains';
      if (index >= 0) refuseField(rule, `${at}.links.${name}[${index}]`, 'is no domain');
    }
  }
};

const assertTotal = (
  rules: readonly PolicyRule[],
  what: string,
  max: number,
  count: (rule: PolicyRule) => number,
): void => {
  const total = rules.reduce((sum, rule) => sum + count(rule), 0);
  if (total > max)
    fail('INVALID_ARGUMENT', `policy.rules: ${total} ${what} in all, at most ${max} allowed`, {
      details: { field: 'policy.rules', limit: String(max), unit: what },
    });
};
