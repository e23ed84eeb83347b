import { fail } from '@caas/kit';

/** Throws INVALID_ARGUMENT when a call asks for more than a limit allows. */
export const atMost = (limit: string, asked: number, allowed: number): void => {
  if (asked > allowed)
    fail('INVALID_ARGUMENT', `at most ${allowed} at a time`, { details: { limit, value: String(allowed) } });
};
