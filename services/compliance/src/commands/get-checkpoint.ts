import { fail } from '@caas/kit';
import type { GetCheckpointRequest, GetCheckpointResponse } from '@caas/proto/caas/compliance/v1/audit_service';
import type { ComplianceCore } from '../core.ts';

/** The signed checkpoint of a tenant's tree as it is. */
export const getCheckpoint =
  ({ checkpoints }: Pick<ComplianceCore, 'checkpoints'>) =>
  async ({ tenantId, minTreeSize }: GetCheckpointRequest): Promise<GetCheckpointResponse> => {
    const checkpoint = await checkpoints.current(tenantId);
    if (checkpoint.treeSize < minTreeSize)
      fail('FAILED_PRECONDITION', `the tree has ${checkpoint.treeSize} entries`, {
        details: { field: 'min_tree_size', tree_size: String(checkpoint.treeSize) },
      });
    return { checkpoint };
  };
