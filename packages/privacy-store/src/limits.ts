import { fail } from '@caas/kit';
import { maxPrivacyPerCall } from './port.ts';

/** Refuses a call that names or asks for more records than the port allows. */
export const assertCount = (count: number): void => {
  if (count > maxPrivacyPerCall)
    fail('INVALID_ARGUMENT', `more than ${maxPrivacyPerCall}`, {
      details: { limit: 'maxPrivacyPerCall', value: String(maxPrivacyPerCall) },
    });
};
