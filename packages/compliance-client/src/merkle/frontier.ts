import { emptyRoot, leafHash, nodeHash } from './hash.ts';
import { completedBy, rangeHash, type Subtree, subtreesOf } from './subtrees.ts';

/** What is needed to let a tree grow, and to know its root: the hashes of the complete subtrees it consists of. */
export class Frontier {
  #size: number;
  /** Largest first. */
  readonly #subtrees: Uint8Array[];

  /** `subtrees`: the hashes of `frontierOf(size)`, in its order. */
  constructor(size = 0, subtrees: readonly Uint8Array[] = []) {
    this.#size = size;
    this.#subtrees = [...subtrees];
  }

  /** Number of leaves. */
  get size(): number {
    return this.#size;
  }

  /** Root of the tree as it is, 32 bytes. */
  root(): Uint8Array {
    return this.#size === 0 ? emptyRoot() : rangeHash(this.#subtrees);
  }

  /** Adds a leaf; answers the hashes of the complete subtrees that end with it, levels 0, 1, 2 …. */
  add(leaf: Uint8Array): Uint8Array[] {
    let hash = leafHash(leaf);
    const completed = [hash];
    for (let left = completedBy(this.#size) - 1; left > 0; left -= 1) {
      hash = nodeHash(this.#subtrees.pop() as Uint8Array, hash);
      completed.push(hash);
    }
    this.#subtrees.push(hash);
    this.#size += 1;
    return completed;
  }

  /** Another one, that grows by itself. */
  copy(): Frontier {
    return new Frontier(this.#size, this.#subtrees);
  }
}

/** The complete subtrees that a tree of that size consists of, largest first. */
export const frontierOf = (size: number): Subtree[] => (size === 0 ? [] : subtreesOf({ from: 0, to: size }));
