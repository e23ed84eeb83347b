import { type Reason, ruleOf } from '@caas/kit';
import { expect } from '@jest/globals';
import type { Frame } from './raw-client.ts';

/** Expects a refusal as documented: its reason, the retry hint of the one table, and a trace id. */
export const expectRefusal = (error: Frame, reason: Reason, details: Record<string, unknown> = {}): void => {
  const rule = ruleOf(reason);
  expect(error).toMatchObject({
    reason: `ERROR_REASON_${reason}`,
    message: expect.any(String),
    traceId: expect.stringMatching(/^[0-9a-f]{32}$/),
    ...(Object.keys(details).length > 0 && { details }),
  });
  expect(error.retryable ?? false).toBe(rule.retryable);
  // Rates say exactly how long; for all else it is the table's least wait.
  if (reason === 'RATE_LIMITED') expect(error.retryAfterMs).toBeGreaterThan(0);
  else expect(error.retryAfterMs ?? 0).toBe(rule.retryAfterMs);
};

/** Expects that the connection was told why, then closed with the code of the reason. */
export const expectClosedFor = async (
  client: {
    waitFor(matches: (f: Frame) => unknown): Promise<Frame>;
    waitClosed(): Promise<{ code: number; reason: string }>;
  },
  reason: Reason,
): Promise<void> => {
  const told = await client.waitFor((f) => f.error && !f.id && f.error.reason === `ERROR_REASON_${reason}`);
  expectRefusal(told.error, reason);
  expect(await client.waitClosed()).toEqual({ code: ruleOf(reason).close, reason });
};
