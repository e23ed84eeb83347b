import { nodeHash, sameHash } from './hash.ts';
import { type Range, splitOf } from './subtrees.ts';

/** The ranges whose hashes prove that leaf `index` is in the tree of `size` leaves, in order (RFC 6962, 2.1.1). */
export const inclusionRanges = (index: number, size: number): Range[] => {
  if (!(index >= 0 && index < size)) throw new RangeError('a leaf is in no tree that is not larger than its index');
  const ranges: Range[] = [];
  let [from, to] = [0, size];
  while (to - from > 1) {
    const middle = from + splitOf(to - from);
    if (index < middle) {
      ranges.push({ from: middle, to });
      to = middle;
    } else {
      ranges.push({ from, to: middle });
      from = middle;
    }
  }
  return ranges.reverse();
};

/** The ranges whose hashes prove that the tree of `first` leaves is the beginning of that of `second` (RFC 6962, 2.1.2). */
export const consistencyRanges = (first: number, second: number): Range[] => {
  if (!(first >= 1 && first <= second)) throw new RangeError('a tree is the beginning of no smaller one');
  const ranges: Range[] = [];
  let [from, to] = [0, second];
  /** Whether the range in hand is the whole first tree, whose root the verifier has. */
  let whole = true;
  while (to !== first) {
    const middle = from + splitOf(to - from);
    if (first <= middle) {
      ranges.push({ from: middle, to });
      to = middle;
    } else {
      ranges.push({ from, to: middle });
      from = middle;
      whole = false;
    }
  }
  if (!whole) ranges.push({ from, to });
  return ranges.reverse();
};

export interface Inclusion {
  leafHash: Uint8Array;
  index: number;
  size: number;
  root: Uint8Array;
}

/** Whether the path proves that the leaf is at that place of the tree (RFC 9162, 2.1.3.2). */
export const verifyInclusion = ({ leafHash, index, size, root }: Inclusion, path: readonly Uint8Array[]): boolean => {
  if (!(index >= 0 && index < size)) return false;
  let [node, last] = [index, size - 1];
  let hash = leafHash;
  for (const step of path) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      hash = nodeHash(step, hash);
      while (node % 2 === 0 && node > 0) [node, last] = [node / 2, Math.floor(last / 2)];
    } else hash = nodeHash(hash, step);
    [node, last] = [Math.floor(node / 2), Math.floor(last / 2)];
  }
  return last === 0 && sameHash(hash, root);
};

export interface Tree {
  size: number;
  root: Uint8Array;
}

/** Whether the path proves that the first tree is the beginning of the second (RFC 9162, 2.1.4.2). */
export const verifyConsistency = (first: Tree, second: Tree, path: readonly Uint8Array[]): boolean => {
  if (first.size < 1 || first.size > second.size) return false;
  if (first.size === second.size) return path.length === 0 && sameHash(first.root, second.root);
  const isPower = first.size === splitOf(first.size + 1);
  const [start, ...steps] = isPower ? [first.root, ...path] : path;
  if (start === undefined) return false;
  let [node, last] = [first.size - 1, second.size - 1];
  while (node % 2 === 1) [node, last] = [Math.floor(node / 2), Math.floor(last / 2)];
  let [firstHash, secondHash] = [start, start];
  for (const step of steps) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      [firstHash, secondHash] = [nodeHash(step, firstHash), nodeHash(step, secondHash)];
      while (node % 2 === 0 && node > 0) [node, last] = [node / 2, Math.floor(last / 2)];
    } else secondHash = nodeHash(secondHash, step);
    [node, last] = [Math.floor(node / 2), Math.floor(last / 2)];
  }
  return last === 0 && sameHash(firstHash, first.root) && sameHash(secondHash, second.root);
};
