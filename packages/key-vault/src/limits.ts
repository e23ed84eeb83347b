import { fail } from '@caas/kit';
import { maxWrappedKeyBytes } from './port.ts';

/** Refuses to wrap what is larger than a key. */
export const assertKeySize = (key: Uint8Array): void => {
  if (key.length > maxWrappedKeyBytes)
    fail('INVALID_ARGUMENT', `more than ${maxWrappedKeyBytes} bytes`, {
      details: { limit: 'maxWrappedKeyBytes', value: String(maxWrappedKeyBytes), unit: 'bytes' },
    });
};
