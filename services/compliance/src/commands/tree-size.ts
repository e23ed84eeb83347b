import type { AuditStore } from '@caas/audit-store';
import { fail } from '@caas/kit';

/** Throws FAILED_PRECONDITION when a tenant's tree is smaller than a request says. */
export const assertGrown = async (
  { trees }: Pick<AuditStore, 'trees'>,
  tenantId: string,
  field: string,
  size: number,
): Promise<void> => {
  const { size: there } = await trees.head(tenantId);
  if (size > there)
    fail('FAILED_PRECONDITION', `the tree has ${there} entries`, { details: { field, tree_size: String(there) } });
};
