import type { TreeStore } from '@caas/audit-store';
import { type Range, rangeHash, subtreesOf } from '@caas/compliance-client/merkle';

/** The hashes of ranges of a tenant's tree, read in one call: a proof costs as many hashes as the tree is deep, squared. */
export const rangeHashes = async (
  store: Pick<TreeStore, 'subtrees'>,
  tenantId: string,
  ranges: readonly Range[],
): Promise<Uint8Array[]> => {
  const subtrees = ranges.map(subtreesOf);
  const hashes = await store.subtrees(tenantId, subtrees.flat());
  let at = 0;
  return subtrees.map(({ length }) => {
    at += length;
    return rangeHash(hashes.slice(at - length, at));
  });
};
