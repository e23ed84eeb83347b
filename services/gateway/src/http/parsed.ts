import { CaasError } from '@caas/kit';
import type { ZodType } from 'zod';
import { maxBodyFields } from '../limits.ts';

/** Problems a refusal names, and characters of each: enough to mend a request, too little to make answers costly. */
const maxProblems = 8;
const maxNameLength = 64;
const maxProblemLength = 200;

/**
 * The value as its schema reads it; throws INVALID_ARGUMENT naming the first wrong field, and the first few as details.
 * Fields are counted before the schema looks at them, because it would make something of each (ADR 17).
 */
export const parsed = <T>(schema: ZodType<T>, value: unknown): T => {
  if (typeof value === 'object' && value !== null && Object.keys(value).length > maxBodyFields)
    throw new CaasError('INVALID_ARGUMENT', `a request has at most ${maxBodyFields} fields`, {
      details: { field: '(body)', limit: 'maxBodyFields', value: String(maxBodyFields), unit: 'fields' },
    });
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const wrong = result.error.issues.slice(0, maxProblems).flatMap((issue) => {
    const unknown = issue.code === 'unrecognized_keys';
    const fields = unknown ? issue.keys.slice(0, maxProblems) : [issue.path.join('.') || '(body)'];
    const text = unknown ? 'unknown field' : issue.message.slice(0, maxProblemLength);
    return fields.map((field) => ({ name: field.slice(0, maxNameLength), text }));
  });
  const [first] = wrong;
  throw new CaasError('INVALID_ARGUMENT', `${first?.name}: ${first?.text}`, {
    details: {
      field: first?.name ?? '',
      ...Object.fromEntries(wrong.slice(0, maxProblems).map(({ name, text }) => [`problem.${name}`, text])),
    },
  });
};
