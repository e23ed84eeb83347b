import { readFile } from 'node:fs/promises';
import { ConfigError } from '@caas/kit/config';
import { ContentPolicy, PersonalDataKind, PolicyAction } from '@caas/proto/caas/compliance/v1/policy_service';
import { z } from 'zod';

const matches = {
  words: z.strictObject({ words: z.array(z.string()) }),
  patterns: z.strictObject({ patterns: z.array(z.string()) }),
  personalData: z.strictObject({ kinds: z.array(z.enum(Object.keys(PersonalDataKind))) }),
  length: z.strictObject({ maxBytes: z.int() }),
  links: z.strictObject({
    allowedDomains: z.array(z.string()).optional(),
    deniedDomains: z.array(z.string()).optional(),
  }),
};
const kinds = Object.keys(matches);

const rule = z
  .strictObject({
    ruleId: z.string(),
    action: z.enum(Object.keys(PolicyAction)),
    publicReason: z.string().optional(),
    remoteReview: z.boolean().optional(),
    ...matches,
  })
  .partial(Object.fromEntries(kinds.map((kind) => [kind, true])) as Record<keyof typeof matches, true>)
  .refine((value) => kinds.filter((kind) => kind in value).length === 1, `needs one of ${kinds.join(', ')}`);

/** Protobuf JSON of a ContentPolicy. Strict: a rule that is misspelt would not be applied, in silence. */
const schema = z.strictObject({
  tenantId: z.string().optional(),
  version: z.int().min(0).optional(),
  rules: z.array(rule).optional(),
  openWithoutVerdict: z.boolean().optional(),
  putAtMs: z.int().optional(),
  putBy: z.string().optional(),
});

/** A policy as `caas policy get` prints it; throws a ConfigError that names everything that is wrong. */
export const policyIn = async (file: string): Promise<ContentPolicy> => {
  let json: unknown;
  try {
    json = JSON.parse(await readFile(file, 'utf8'));
  } catch (cause) {
    throw new ConfigError(`${file} can't be read as JSON: ${(cause as NodeJS.ErrnoException).code ?? 'not valid'}`);
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) throw new ConfigError(`${file} is no policy:\n${z.prettifyError(parsed.error)}`);
  return ContentPolicy.fromJSON(parsed.data);
};
