import { fail } from '@caas/kit';
import { maxMediaPerCall } from './port.ts';

/** Refuses a call that names or asks for more records than the port allows. */
export const assertMedia = (count: number): void => {
  if (count > maxMediaPerCall)
    fail('INVALID_ARGUMENT', `more than ${maxMediaPerCall}`, {
      details: { limit: 'maxMediaPerCall', value: String(maxMediaPerCall) },
    });
};
