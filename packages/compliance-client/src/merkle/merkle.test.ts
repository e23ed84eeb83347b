import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  consistencyRanges,
  emptyRoot,
  Frontier,
  frontierOf,
  inclusionRanges,
  leafHash,
  type Range,
  rangeHash,
  subtreesOf,
  verifyConsistency,
  verifyInclusion,
} from './index.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const unhex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));

/** The tree of RFC 6962, 2.1, word for word: no subtree kept, nothing shared with the code under test. */
const sha256 = (...parts: Uint8Array[]): Uint8Array =>
  parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest();
const splitNaively = (n: number): number => {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
};
const naiveRoot = (leaves: readonly Uint8Array[]): Uint8Array => {
  if (leaves.length === 0) return sha256();
  if (leaves.length === 1) return sha256(Uint8Array.of(0), leaves[0] as Uint8Array);
  const k = splitNaively(leaves.length);
  return sha256(Uint8Array.of(1), naiveRoot(leaves.slice(0, k)), naiveRoot(leaves.slice(k)));
};
const naivePath = (m: number, leaves: readonly Uint8Array[]): Uint8Array[] => {
  if (leaves.length === 1) return [];
  const k = splitNaively(leaves.length);
  return m < k
    ? [...naivePath(m, leaves.slice(0, k)), naiveRoot(leaves.slice(k))]
    : [...naivePath(m - k, leaves.slice(k)), naiveRoot(leaves.slice(0, k))];
};
const naiveProof = (m: number, leaves: readonly Uint8Array[], whole: boolean): Uint8Array[] => {
  if (m === leaves.length) return whole ? [] : [naiveRoot(leaves)];
  const k = splitNaively(leaves.length);
  return m <= k
    ? [...naiveProof(m, leaves.slice(0, k), whole), naiveRoot(leaves.slice(k))]
    : [...naiveProof(m - k, leaves.slice(k), false), naiveRoot(leaves.slice(0, k))];
};

/** A tree that grew leaf by leaf, with what a store keeps of it: the subtrees that each leaf completed. */
const grown = (leaves: readonly Uint8Array[]) => {
  const frontier = new Frontier();
  const kept = leaves.map((leaf) => frontier.add(leaf));
  const hashOf = (range: Range): Uint8Array =>
    rangeHash(subtreesOf(range).map(({ last, level }) => kept[last]?.[level] as Uint8Array));
  const rootAt = (size: number): Uint8Array =>
    new Frontier(
      size,
      frontierOf(size).map(({ last, level }) => kept[last]?.[level] as Uint8Array),
    ).root();
  return {
    root: frontier.root(),
    rootAt,
    pathOf: (index: number, size: number) => inclusionRanges(index, size).map(hashOf),
    proofOf: (first: number, second: number) => consistencyRanges(first, second).map(hashOf),
  };
};

// The leaves, roots and proofs that the reference implementation of Certificate Transparency is tested with.
const leaves = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'].map(
  unhex,
);
const roots = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];
const inclusions: [index: number, size: number, path: string[]][] = [
  [0, 1, []],
  [
    0,
    8,
    [
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ],
  ],
  [
    5,
    8,
    [
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ],
  ],
  [2, 3, ['fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125']],
  [
    1,
    5,
    [
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
    ],
  ],
];
const consistencies: [first: number, second: number, path: string[]][] = [
  [1, 1, []],
  [
    1,
    8,
    [
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ],
  ],
  [
    6,
    8,
    [
      '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ],
  ],
  [
    2,
    5,
    [
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
    ],
  ],
];

describe('the published vectors of RFC 6962', () => {
  const tree = grown(leaves);

  test.each(roots.map((root, size) => [size, root]))('a tree of %i leaves has its root', (size, root) => {
    expect(hex(grown(leaves.slice(0, size as number)).root)).toBe(root);
    expect(hex(tree.rootAt(size as number))).toBe(root);
  });

  test.each(inclusions)('leaf %i of %i has its path, and the path proves it', (index, size, path) => {
    expect(tree.pathOf(index, size).map(hex)).toEqual(path);
    const claim = { leafHash: leafHash(leaves[index] as Uint8Array), index, size, root: unhex(roots[size] as string) };
    expect(verifyInclusion(claim, path.map(unhex))).toBe(true);
  });

  test.each(consistencies)('the tree of %i is the beginning of that of %i', (first, second, path) => {
    expect(tree.proofOf(first, second).map(hex)).toEqual(path);
    const at = (size: number) => ({ size, root: unhex(roots[size] as string) });
    expect(verifyConsistency(at(first), at(second), path.map(unhex))).toBe(true);
  });
});

/** Distinct leaves, so that a proof for one can't hold for another. */
const leavesOf = (count: number): Uint8Array[] => Array.from({ length: count }, (_, i) => Buffer.from(`leaf ${i}`));
const flipped = (hash: Uint8Array, bit: number): Uint8Array => {
  const copy = Uint8Array.from(hash);
  copy[(bit >> 3) % 32] = (copy[(bit >> 3) % 32] as number) ^ (1 << (bit & 7));
  return copy;
};

describe('against the definition of RFC 6962, word for word', () => {
  test('roots, paths and proofs of every tree up to 40 leaves are the same, and hold', () => {
    const all = leavesOf(40);
    const tree = grown(all);
    for (let size = 1; size <= all.length; size += 1) {
      const some = all.slice(0, size);
      const root = naiveRoot(some);
      expect(hex(tree.rootAt(size))).toBe(hex(root));
      for (let index = 0; index < size; index += 1) {
        const path = tree.pathOf(index, size);
        expect(path.map(hex)).toEqual(naivePath(index, some).map(hex));
        expect(verifyInclusion({ leafHash: leafHash(some[index] as Uint8Array), index, size, root }, path)).toBe(true);
      }
      for (let first = 1; first <= size; first += 1) {
        const proof = tree.proofOf(first, size);
        expect(proof.map(hex)).toEqual(naiveProof(first, some, true).map(hex));
        expect(verifyConsistency({ size: first, root: tree.rootAt(first) }, { size, root }, proof)).toBe(true);
      }
    }
  });

  test('a proof that is changed anywhere, or of another leaf, place or tree, does not hold', () => {
    const sizes = fc.integer({ min: 1, max: 300 });
    fc.assert(
      fc.property(sizes, fc.nat(), fc.nat(), fc.nat(), fc.nat({ max: 255 }), (size, a, b, at, bit) => {
        const all = leavesOf(size);
        const tree = grown(all);
        const index = a % size;
        const other = b % size;
        const path = tree.pathOf(index, size);
        const claim = { leafHash: leafHash(all[index] as Uint8Array), index, size, root: tree.root };
        expect(verifyInclusion(claim, path)).toBe(true);
        if (other !== index) expect(verifyInclusion({ ...claim, index: other }, path)).toBe(false);
        expect(verifyInclusion({ ...claim, leafHash: flipped(claim.leafHash, bit) }, path)).toBe(false);
        expect(verifyInclusion({ ...claim, root: flipped(claim.root, bit) }, path)).toBe(false);
        expect(verifyInclusion(claim, [...path, tree.root])).toBe(false);
        if (path.length > 0) {
          const where = at % path.length;
          expect(verifyInclusion(claim, path.with(where, flipped(path[where] as Uint8Array, bit)))).toBe(false);
          expect(verifyInclusion(claim, path.toSpliced(where, 1))).toBe(false);
        }
        const first = 1 + (b % size);
        const [older, newer] = [
          { size: first, root: tree.rootAt(first) },
          { size, root: tree.root },
        ];
        const proof = tree.proofOf(first, size);
        expect(verifyConsistency(older, newer, proof)).toBe(true);
        expect(verifyConsistency({ ...older, root: flipped(older.root, bit) }, newer, proof)).toBe(false);
        expect(verifyConsistency(older, { ...newer, root: flipped(newer.root, bit) }, proof)).toBe(false);
        expect(verifyConsistency(older, newer, [...proof, tree.root])).toBe(false);
        if (proof.length > 0) {
          const where = at % proof.length;
          expect(verifyConsistency(older, newer, proof.with(where, flipped(proof[where] as Uint8Array, bit)))).toBe(
            false,
          );
          expect(verifyConsistency(older, newer, proof.toSpliced(where, 1))).toBe(false);
        }
      }),
      { numRuns: 200 },
    );
  });

  test('a tree that begins anew from its kept subtrees grows on as the one that was never interrupted', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 1, max: 60 }), (size, more) => {
        const all = leavesOf(size + more);
        const before = new Frontier();
        const kept = all.slice(0, size).map((leaf) => before.add(leaf));
        const again = new Frontier(
          size,
          frontierOf(size).map(({ last, level }) => kept[last]?.[level] as Uint8Array),
        );
        for (const leaf of all.slice(size)) expect(again.add(leaf).map(hex)).toEqual(before.add(leaf).map(hex));
        expect(hex(again.root())).toBe(hex(naiveRoot(all)));
      }),
      { numRuns: 100 },
    );
  });

  test('proofs of a tree as large as numbers go are short, and what is outside of it is refused', () => {
    const size = Number.MAX_SAFE_INTEGER;
    expect(inclusionRanges(size - 1, size).length).toBeLessThanOrEqual(53);
    expect(inclusionRanges(2 ** 52, size).length).toBeLessThanOrEqual(53);
    for (const range of consistencyRanges(2 ** 31 + 1, size)) expect(subtreesOf(range).length).toBeLessThanOrEqual(53);
    expect(() => inclusionRanges(1, 1)).toThrow(RangeError);
    expect(() => consistencyRanges(0, 1)).toThrow(RangeError);
    expect(() => consistencyRanges(2, 1)).toThrow(RangeError);
    expect(hex(emptyRoot())).toBe(roots[0]);
  });
});
