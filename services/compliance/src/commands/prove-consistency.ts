import { consistencyRanges } from '@caas/compliance-client/merkle';
import { fail } from '@caas/kit';
import type { ProveConsistencyRequest, ProveConsistencyResponse } from '@caas/proto/caas/compliance/v1/audit_service';
import { rangeHashes } from '../audit/ranges.ts';
import type { ComplianceCore } from '../core.ts';
import { assertGrown } from './tree-size.ts';

/** Proves that a tree is the beginning of a later one. */
export const proveConsistency =
  ({ audit }: Pick<ComplianceCore, 'audit'>) =>
  async ({ tenantId, firstSize, secondSize }: ProveConsistencyRequest): Promise<ProveConsistencyResponse> => {
    if (firstSize > secondSize)
      fail('INVALID_ARGUMENT', 'the first tree is the larger one', { details: { field: 'first_size' } });
    await assertGrown(audit, tenantId, 'second_size', secondSize);
    const path = await rangeHashes(audit.trees, tenantId, consistencyRanges(firstSize, secondSize));
    return { path: path.map((hash) => Buffer.from(hash)) };
  };
