import { reasonTable } from '@caas/kit';
import { z } from 'zod';

/** Text from `min` to `max` UTF-8 bytes that every engine behind us can hold. */
export const boundedText = (min: number, max: number) =>
  z
    .string()
    .min(min)
    .max(max)
    .refine((value) => Buffer.byteLength(value) <= max, `more than ${max} bytes of UTF-8`)
    .refine((value) => value.isWellFormed() && !/\p{Cc}/u.test(value), 'control characters or lone surrogates');

/** UTC milliseconds since 1970. */
export const timeMs = () => z.int().describe('UTC milliseconds since 1970');

/** What every refusal looks like (RFC 9457). */
export const problem = z
  .strictObject({
    type: z.string().describe('URI of the reason, for example urn:caas:error:RATE_LIMITED'),
    title: z.string().describe('The reason in words; the same for every occurrence'),
    status: z.int().describe('HTTP status'),
    detail: z.string().describe('What happened this time, for a developer to read'),
    reason: z.enum([...reasonTable.keys()] as [string, ...string[]]).describe('Decide by this'),
    retryable: z.boolean().describe('True when the same request may succeed later'),
    retry_after_ms: z.int().describe('Least time to wait before a retry, in milliseconds'),
    trace_id: z.string().length(32).describe('W3C trace id, to quote to an operator'),
    details: z.record(z.string(), z.string()).describe('What the reason refers to, for example field and limit'),
  })
  .meta({ id: 'Problem' });
