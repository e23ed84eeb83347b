import { inclusionRanges } from '@caas/compliance-client/merkle';
import { fail } from '@caas/kit';
import type { ProveInclusionRequest, ProveInclusionResponse } from '@caas/proto/caas/compliance/v1/audit_service';
import { rangeHashes } from '../audit/ranges.ts';
import type { ComplianceCore } from '../core.ts';
import { assertGrown } from './tree-size.ts';

/** Proves that an entry is in the tree of a size. */
export const proveInclusion =
  ({ audit, checkpoints }: Pick<ComplianceCore, 'audit' | 'checkpoints'>) =>
  async ({ tenantId, index, treeSize: asked }: ProveInclusionRequest): Promise<ProveInclusionResponse> => {
    if (asked > 0) await assertGrown(audit, tenantId, 'tree_size', asked);
    const treeSize = asked > 0 ? asked : (await checkpoints.current(tenantId)).treeSize;
    if (index >= treeSize) fail('NOT_FOUND', 'there is no such entry in that tree', { details: { field: 'index' } });
    const [path, [leaf]] = await Promise.all([
      rangeHashes(audit.trees, tenantId, inclusionRanges(index, treeSize)),
      audit.trees.leaves(tenantId, index, 1),
    ]);
    return { entry: leaf && { leaf: Buffer.from(leaf) }, path: path.map((hash) => Buffer.from(hash)), treeSize };
  };
