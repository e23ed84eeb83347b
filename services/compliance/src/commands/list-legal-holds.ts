import type { ListLegalHoldsRequest, ListLegalHoldsResponse } from '@caas/proto/caas/compliance/v1/privacy_service';
import type { PrivacyCore } from '../privacy/core.ts';

/** Lists a tenant's holds with their reasons. */
export const listLegalHolds =
  ({ store }: Pick<PrivacyCore, 'store'>) =>
  async ({ tenantId }: ListLegalHoldsRequest): Promise<ListLegalHoldsResponse> => ({
    holds: await store.holds.list(tenantId),
  });
