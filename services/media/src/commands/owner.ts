import { fail } from '@caas/kit';
import type { Claims } from '@caas/proto/caas/common/v1/claims';

/** Whom a call is for, as the caller has verified it. */
export const ownerOf = (claims: Claims | undefined): { tenantId: string; userId: string } =>
  claims && claims.tenantId !== '' && claims.userId !== ''
    ? { tenantId: claims.tenantId, userId: claims.userId }
    : fail('INVALID_ARGUMENT', 'claims are needed', { details: { field: 'claims' } });
