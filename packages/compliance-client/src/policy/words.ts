import { AhoCorasick } from './aho-corasick.ts';
import { Cover } from './cover.ts';
import { type Folded, fold, spanIn } from './fold.ts';
import type { Places } from './verdict.ts';

/** Scripts written without blanks, or whose particles stick to words: there a word is found wherever it stands. */
const unspaced =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;
const ofWord = /[\p{L}\p{N}\p{M}_]/u;

/** Whether a word may begin or end between two code points. */
const isBoundary = (before: string, after: string): boolean =>
  !ofWord.test(before) || !ofWord.test(after) || unspaced.test(before) || unspaced.test(after);

const pointBefore = (text: string, at: number): string => {
  const unit = text.charCodeAt(at - 1);
  return unit >= 0xdc_00 && unit <= 0xdf_ff && at > 1 ? text.slice(at - 2, at) : text.charAt(at - 1);
};
const pointAt = (text: string, at: number): string =>
  at < text.length ? String.fromCodePoint(text.codePointAt(at) as number) : '';

const isBoundaryAt = (text: string, at: number): boolean =>
  at === 0 || at === text.length || isBoundary(pointBefore(text, at), pointAt(text, at));

/** Asks once of each number below `count`. */
const known = (count: number, ask: (number: number) => boolean): ((number: number) => boolean) => {
  let answers: Uint8Array | undefined;
  return (number) => {
    answers ??= new Uint8Array(count);
    answers[number] ||= ask(number) ? 2 : 1;
    return answers[number] === 2;
  };
};

interface Word {
  /** In units of the folded text. */
  length: number;
  /** Indexes of the rules that list it. */
  rules: number[];
}

/** The words of all rules, found in one pass as whole words. */
export class Words {
  readonly #words: readonly Word[];
  readonly #automaton: AhoCorasick;

  private constructor(words: readonly Word[], automaton: AhoCorasick) {
    this.#words = words;
    this.#automaton = automaton;
  }

  /** Builds it in steps. A list that is none is no list of words; a word that folds to nothing meets nothing. */
  static *building(lists: ReadonlyMap<number, readonly string[]>): Generator<void, Words> {
    const byText = new Map<string, Word>();
    for (const [rule, list] of lists) {
      for (const [i, written] of list.entries()) {
        const text = foldWord(written);
        if (i % 512 === 511) yield;
        if (text === '') continue;
        const word = byText.get(text) ?? { length: text.length, rules: [] };
        byText.set(text, word);
        if (!word.rules.includes(rule)) word.rules.push(rule);
      }
    }
    return new Words([...byText.values()], yield* AhoCorasick.building([...byText.keys()]));
  }

  get bytes(): number {
    return this.#automaton.bytes;
  }

  /** Words looked at for each unit of a text at most, by `find` and by its places. */
  get lookups(): number {
    return 2 * this.#automaton.maxEndings;
  }

  /** Tells once of each rule that is met. The places are the same for all: one more pass finds those of the rules asked for. */
  find(folded: Folded, met: (rule: number, places: Places) => void): void {
    const seen = new Set<number>();
    const told = new Set<number>();
    const places: Places = { spans: (rules) => this.#cover(folded, rules).spans(), steps: 1 };
    this.#whole(
      folded.text,
      (index) => !seen.has(index),
      (index) => {
        seen.add(index);
        for (const rule of (this.#words[index] as Word).rules) {
          if (told.has(rule)) continue;
          told.add(rule);
          met(rule, places);
        }
      },
    );
  }

  #cover(folded: Folded, rules: ReadonlySet<number>): Cover {
    const cover = new Cover(folded.original.length);
    const isAsked = known(this.#words.length, (word) =>
      (this.#words[word] as Word).rules.some((rule) => rules.has(rule)),
    );
    this.#whole(folded.text, isAsked, (_, start, end) => cover.add(spanIn(folded, start, end)));
    return cover;
  }

  /** Finds those that are wanted where they stand as whole words. */
  #whole(text: string, isWanted: (word: number) => boolean, found: (word: number, start: number, end: number) => void) {
    const isBoundary = known(text.length + 1, (at) => isBoundaryAt(text, at));
    this.#automaton.search(text, (word, end) => {
      if (!isWanted(word) || !isBoundary(end)) return;
      const start = end - (this.#words[word] as Word).length;
      if (isBoundary(start)) found(word, start, end);
    });
  }
}

/** How a word of a list is compared; '' for one that nobody would see. */
export const foldWord = (word: string): string => fold(word.trim()).text;
