/** Merkle trees as RFC 6962 has them, over SHA-256; pure. */
export { Frontier, frontierOf } from './frontier.ts';
export { emptyRoot, hashBytes, leafHash, nodeHash, sameHash } from './hash.ts';
export {
  consistencyRanges,
  type Inclusion,
  inclusionRanges,
  type Tree,
  verifyConsistency,
  verifyInclusion,
} from './proofs.ts';
export { completedBy, maxTreeSize, type Range, rangeHash, type Subtree, subtreesOf } from './subtrees.ts';
