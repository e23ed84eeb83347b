import { nodeHash } from './hash.ts';

/** The leaves from `from` to before `to` of a tree, at least one. */
export interface Range {
  from: number;
  to: number;
}

/**
 * A complete subtree: 2^level leaves, the last of which is leaf `last`. Its hash never changes, however the tree grows: it
 * is known, and kept, with its last leaf.
 */
export interface Subtree {
  last: number;
  level: number;
}

/** Greatest number of leaves: every index stays an exact number. */
export const maxTreeSize = Number.MAX_SAFE_INTEGER;

/** The largest power of two below `n`, which is at least 2: where RFC 6962 divides a tree of n leaves. */
export const splitOf = (n: number): number => {
  let k = 2 ** Math.floor(Math.log2(n));
  // The logarithm of a large number is not exact.
  while (k >= n) k /= 2;
  while (k * 2 < n) k *= 2;
  return k;
};

/** Number of complete subtrees that end with the leaf: those of levels 0, 1, 2 …. */
export const completedBy = (index: number): number => {
  let count = 1;
  for (let left = index; left % 2 === 1; left = Math.floor(left / 2)) count += 1;
  return count;
};

/**
 * The complete subtrees that a range consists of, largest first. The range is one that RFC 6962 has a hash for, so that it
 * begins where a subtree as large as the first one may.
 */
export const subtreesOf = ({ from, to }: Range): Subtree[] => {
  const subtrees: Subtree[] = [];
  let start = from;
  while (start < to) {
    const left = to - start;
    const leaves = left === 1 ? 1 : splitOf(left + 1);
    subtrees.push({ last: start + leaves - 1, level: Math.round(Math.log2(leaves)) });
    start += leaves;
  }
  return subtrees;
};

/** Hash of a range from those of its complete subtrees, in the order of `subtreesOf`. */
export const rangeHash = (subtrees: readonly Uint8Array[]): Uint8Array => {
  const hash = subtrees.reduceRight<Uint8Array | undefined>(
    (right, left) => (right === undefined ? left : nodeHash(left, right)),
    undefined,
  );
  if (hash === undefined) throw new RangeError('a range has at least one leaf');
  return hash;
};
