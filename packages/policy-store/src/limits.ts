import { fail } from '@caas/kit';
import { maxTenantsPerCall } from './port.ts';

/** Throws INVALID_ARGUMENT when a call asks for more than it may. */
export const assertTenants = (tenantIds: readonly string[]): void => {
  if (tenantIds.length > maxTenantsPerCall)
    fail('INVALID_ARGUMENT', `at most ${maxTenantsPerCall} at a time`, {
      details: { limit: 'maxTenantsPerCall', value: String(maxTenantsPerCall) },
    });
};
