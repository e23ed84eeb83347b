import { AhoCorasick } from './aho-corasick.ts';
import { type Folded, fold, spanIn } from './fold.ts';
import type { Span } from './verdict.ts';

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

const isWhole = (text: string, start: number, end: number): boolean =>
  (start === 0 || isBoundary(pointBefore(text, start), pointAt(text, start))) &&
  (end === text.length || isBoundary(pointBefore(text, end), pointAt(text, end)));

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

  /** Tells of each rule that is met, and where. */
  find(folded: Folded, met: (rule: number, span: () => Span) => void): void {
    this.#automaton.search(folded.text, (index, end) => {
      const { length, rules } = this.#words[index] as Word;
      if (!isWhole(folded.text, end - length, end)) return;
      for (const rule of rules) met(rule, () => spanIn(folded, end - length, end));
    });
  }
}

/** How a word of a list is compared; '' for one that nobody would see. */
export const foldWord = (word: string): string => fold(word.trim()).text;
