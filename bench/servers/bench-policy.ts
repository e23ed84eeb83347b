/** A policy as a large tenant may have it. */
import {
  ContentPolicy,
  PersonalDataKind,
  PolicyAction,
  type PolicyRule,
} from '@caas/proto/caas/compliance/v1/policy_service';

const wordCount = 1_000;
const syllables = ['ba', 'ko', 'ri', 'tu', 'me', 'sha', 'lo', 'qui', 'bro', 'fo', 'ju', 'do', 'la', 'ze', 'ove', 'th'];

/** Words that begin like those of real texts and are none. */
const words = Array.from({ length: wordCount }, (_, i) =>
  [i % 16, (i >> 4) % 16, (i >> 8) % 16, (i * 7) % 16].map((s) => syllables[s]).join(''),
);
export const banned = words[wordCount - 1] as string;

const patterns = [
  '(?i)buy\\s+now',
  '\\b\\d{3}-\\d{2}-\\d{4}\\b',
  '(?i)casino|poker|roulette',
  '(?i)free\\s+money',
  '[A-Z]{10,}',
  '(?i)wire transfer to \\w+',
  '\\bT[0-9a-zA-Z]{33}\\b',
  '(?i)\\bpass(?:word)?\\s*[:=]\\s*\\S+',
  'https?://bit\\.ly/\\w+',
  '(?i)(?:click|tap) (?:here|this)',
];

const aRule = (ruleId: string, match: NonNullable<PolicyRule['match']>): PolicyRule => ({
  ruleId,
  match,
  action: PolicyAction.POLICY_ACTION_REJECT,
  publicReason: 'not here',
  remoteReview: false,
});

export const benchPolicy = (tenantId: string): ContentPolicy =>
  ContentPolicy.fromPartial({
    tenantId,
    rules: [
      aRule('words', { $case: 'words', value: { words } }),
      aRule('patterns', { $case: 'patterns', value: { patterns } }),
      aRule('personal', {
        $case: 'personalData',
        value: {
          kinds: [
            PersonalDataKind.PERSONAL_DATA_KIND_CARD_NUMBER,
            PersonalDataKind.PERSONAL_DATA_KIND_IBAN,
            PersonalDataKind.PERSONAL_DATA_KIND_EMAIL,
            PersonalDataKind.PERSONAL_DATA_KIND_PHONE,
          ],
        },
      }),
    ],
  });
