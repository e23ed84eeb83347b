import { fail } from '@caas/kit';
import { maxDocumentsPerCall } from './port.ts';

/** Refuses a call that has, or asks for, more documents than one call may. */
export const bounded = (count: number): void => {
  if (count > maxDocumentsPerCall)
    fail('INVALID_ARGUMENT', `more than ${maxDocumentsPerCall} documents in one call`, {
      details: { limit: 'maxDocumentsPerCall', value: String(maxDocumentsPerCall) },
    });
};
