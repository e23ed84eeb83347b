import { RE2JS, RE2Set } from 're2js';
import { type Folded, spanIn } from './fold.ts';
import type { Places, Span } from './verdict.ts';

/** Patterns looked for at once: a set's program grows with each. */
const patternsPerSet = 25;

interface Pattern {
  rule: number;
  expression: RE2JS;
}

/** Why an expression is none; thrown by `Patterns.building`. */
export class BadPattern extends Error {
  readonly rule: number;
  readonly index: number;

  constructor(rule: number, index: number, why: string) {
    super(why);
    this.rule = rule;
    this.index = index;
  }
}

/** Regular expressions of all rules in the syntax of RE2, which takes time linear in the text. */
export class Patterns {
  readonly #sets: { set: RE2Set; patterns: Pattern[] }[] = [];
  /** Of all programs together. */
  instructions = 0;

  /** Builds it in steps; throws BadPattern. */
  static *building(lists: ReadonlyMap<number, readonly string[]>, maxInstructions: number): Generator<void, Patterns> {
    const built = new Patterns();
    for (const [rule, list] of lists) {
      for (const [index, source] of list.entries()) {
        yield;
        built.#add(rule, index, source, maxInstructions);
      }
    }
    for (const { set } of built.#sets) {
      yield;
      set.compile();
    }
    return built;
  }

  #add(rule: number, index: number, source: string, maxInstructions: number): void {
    let expression: RE2JS;
    try {
      expression = RE2JS.compile(source);
    } catch (error) {
      throw new BadPattern(rule, index, error instanceof Error ? error.message : String(error));
    }
    this.instructions += expression.programSize();
    if (this.instructions > maxInstructions)
      throw new BadPattern(rule, index, `the patterns compile to more than ${maxInstructions} instructions`);
    let last = this.#sets.at(-1);
    if (!last || last.patterns.length === patternsPerSet) {
      last = { set: new RE2Set(), patterns: [] };
      this.#sets.push(last);
    }
    last.set.add(source);
    last.patterns.push({ rule, expression });
  }

  /** Tells of each rule that is met, and how to find where. */
  find(folded: Folded, met: (rule: number, places: Places) => void): void {
    const { text } = folded;
    for (const { set, patterns } of this.#sets) {
      for (const id of set.match(text)) {
        const { rule, expression } = patterns[id] as Pattern;
        met(rule, { spans: () => spansOf(expression, folded), steps: text.length * expression.programSize() });
      }
    }
  }
}

function* spansOf(expression: RE2JS, folded: Folded): Iterable<Span> {
  const matcher = expression.matcher(folded.text);
  while (matcher.find()) {
    const [start, end] = [matcher.start(), matcher.end()];
    // Nothing is a place too: looking for it took as long.
    yield start === end ? { start: 0, end: 0 } : spanIn(folded, start, end);
  }
}
