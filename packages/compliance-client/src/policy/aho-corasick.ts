/**
 * All occurrences of many words in one pass over a text (Aho and Corasick, 1975). Goto edges lie in one hash table of typed
 * arrays, so that memory is a few bytes for each letter of the words: 10,000 words of 128 bytes take some 30 MiB.
 */
export class AhoCorasick {
  /** Class of each code unit; 0: in no word. */
  readonly #classes = new Uint16Array(0x1_00_00);
  #classCount = 1;
  /** Edges: states by the state and class that lead to them, in `#mask` + 1 slots with open addressing; 0: free. */
  readonly #targets: Int32Array;
  readonly #mask: number;
  #root = new Int32Array(0);
  readonly #fails: Int32Array;
  /** Word that ends in a state, plus 1; 0: none. */
  readonly #words: Int32Array;
  /** Nearest state on the way of failures where a word ends; 0: none. */
  readonly #ends: Int32Array;
  readonly #parents: Int32Array;
  readonly #labels: Uint16Array;
  readonly #depths: Uint16Array;
  #states = 1;
  /** Words that may end at one place, at most: a search looks at each. */
  maxEndings = 1;

  private constructor(letters: number) {
    const slots = 2 ** Math.ceil(Math.log2(Math.max(16, letters * 1.5)));
    this.#targets = new Int32Array(slots);
    this.#mask = slots - 1;
    this.#fails = new Int32Array(letters + 1);
    this.#words = new Int32Array(letters + 1);
    this.#ends = new Int32Array(letters + 1);
    this.#parents = new Int32Array(letters + 1);
    this.#labels = new Uint16Array(letters + 1);
    this.#depths = new Uint16Array(letters + 1);
  }

  /** Builds it in steps: whoever drives may let others run after each `yield`. Words are distinct and not empty. */
  static *building(words: readonly string[]): Generator<void, AhoCorasick> {
    const built = new AhoCorasick(words.reduce((sum, word) => sum + word.length, 0));
    for (const [i, word] of words.entries()) {
      built.#add(word, i);
      if (i % 64 === 63) yield;
    }
    yield* built.#link();
    return built;
  }

  get bytes(): number {
    const arrays = [this.#targets, this.#fails, this.#words, this.#ends, this.#parents, this.#labels];
    return arrays.reduce((sum, array) => sum + array.byteLength, this.#classes.byteLength + this.#depths.byteLength);
  }

  /** Calls `found` with the index of each word that occurs and where it ends, in order of the ends. */
  search(text: string, found: (word: number, end: number) => void): void {
    const [classes, root, words, ends] = [this.#classes, this.#root, this.#words, this.#ends];
    let state = 0;
    for (let i = 0; i < text.length; i++) {
      const letter = classes[text.charCodeAt(i)] as number;
      state = state === 0 ? (root[letter] as number) : this.#next(state, letter);
      for (let s = words[state] === 0 ? (ends[state] as number) : state; s !== 0; s = ends[s] as number)
        found((words[s] as number) - 1, i + 1);
    }
  }

  #next(from: number, letter: number): number {
    if (letter === 0) return 0;
    for (let state = from; state !== 0; state = this.#fails[state] as number) {
      const target = this.#edge(state, letter);
      if (target !== 0) return target;
    }
    return this.#root[letter] as number;
  }

  #slot(state: number, letter: number): number {
    const mixed = Math.imul(state ^ Math.imul(letter, 0x85_eb_ca_6b), 0x9e_37_79_b1);
    let slot = (mixed ^ (mixed >>> 15)) & this.#mask;
    for (let at = this.#targets[slot] as number; at !== 0; at = this.#targets[slot] as number) {
      if (this.#parents[at] === state && this.#labels[at] === letter) break;
      slot = (slot + 1) & this.#mask;
    }
    return slot;
  }

  /** 0: there is none. */
  #edge(state: number, letter: number): number {
    return this.#targets[this.#slot(state, letter)] as number;
  }

  #add(word: string, index: number): void {
    let state = 0;
    for (let i = 0; i < word.length; i++) {
      const unit = word.charCodeAt(i);
      if (this.#classes[unit] === 0) this.#classes[unit] = this.#classCount++;
      const letter = this.#classes[unit] as number;
      const slot = this.#slot(state, letter);
      if (this.#targets[slot] === 0) {
        const made = this.#states++;
        this.#targets[slot] = made;
        this.#parents[made] = state;
        this.#labels[made] = letter;
        this.#depths[made] = i + 1;
      }
      state = this.#targets[slot] as number;
    }
    this.#words[state] = index + 1;
  }

  /** Failures of the states, the shallow ones first. */
  *#link(): Generator<void, void> {
    this.#root = new Int32Array(this.#classCount);
    for (let letter = 1; letter < this.#classCount; letter++) this.#root[letter] = this.#edge(0, letter);
    yield;
    const byDepth: number[][] = [];
    const endings = Uint16Array.from(this.#words.subarray(0, this.#states), (word) => Math.min(word, 1));
    for (let state = 1; state < this.#states; state++) {
      const depth = this.#depths[state] as number;
      byDepth[depth] ??= [];
      byDepth[depth].push(state);
      if (state % 20_000 === 0) yield;
    }
    let steps = 0;
    for (const states of byDepth.slice(2)) {
      for (const state of states ?? []) {
        const fail = this.#next(this.#fails[this.#parents[state] as number] as number, this.#labels[state] as number);
        this.#fails[state] = fail;
        const end = this.#words[fail] === 0 ? (this.#ends[fail] as number) : fail;
        this.#ends[state] = end;
        endings[state] = (endings[state] as number) + (endings[end] as number);
        this.maxEndings = Math.max(this.maxEndings, endings[state] as number);
        if (++steps % 5_000 === 0) yield;
      }
    }
  }
}
