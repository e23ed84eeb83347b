import type { Span } from './verdict.ts';

/** Which parts of a text lie in any of many spans: memory by the text, however many spans there are. */
export class Cover {
  /** Spans that begin less those that end, at each code unit. */
  readonly #changes: Int32Array;

  /** `length` in code units. */
  constructor(length: number) {
    this.#changes = new Int32Array(length + 1);
  }

  add({ start, end }: Span): void {
    const changes = this.#changes;
    changes[start] = (changes[start] as number) + 1;
    changes[end] = (changes[end] as number) - 1;
  }

  /** The parts in order: those that touch or overlap are one, and none is empty. */
  spans(): Span[] {
    const out: Span[] = [];
    let [depth, start] = [0, 0];
    for (const [at, change] of this.#changes.entries()) {
      if (change === 0) continue;
      if (depth === 0) start = at;
      depth += change;
      if (depth === 0) out.push({ start, end: at });
    }
    return out;
  }
}
