import { type Folded, folded, Kind } from './fold.ts';

/** A term at a place of a text; offsets are UTF-16 code units. */
export interface Token {
  term: string;
  start: number;
  end: number;
  /** End of its first character. */
  headEnd: number;
  /** True for what was written without spaces: pairs of characters, and at the end of such a stretch a single one. */
  run: boolean;
}

/** Greatest length of a term, in UTF-16 code units; longer words are found by their beginning. */
export const maxTermLength = 64;

/** A character with the marks that belong to it: Hangul written in parts, accents, voiced half-width kana. */
const units = /(?:[\u1100-\u115f]+[\u1160-\u11a7]*[\u11a8-\u11ff]*|\P{M})[\p{M}\uff9e\uff9f]*/gsu;

interface Unit extends Folded {
  start: number;
  end: number;
}

function* unitsOf(text: string): Generator<Unit> {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII needs no look at marks
  if (/^[\x00-\x7f]*$/.test(text)) {
    for (let i = 0; i < text.length; i++) yield { ...folded(text[i] as string), start: i, end: i + 1 };
    return;
  }
  for (const { 0: unit, index } of text.matchAll(units))
    yield { ...folded(unit), start: index, end: index + unit.length };
}

const cut = (term: string): string =>
  term.length <= maxTermLength ? term : term.slice(0, maxTermLength).replace(/[\ud800-\udbff]$/, '');

/**
 * The terms of a text in their order. Words are folded (see fold.ts). In Chinese, Japanese, Korean and other scripts without
 * spaces, a stretch c1 c2 … cn becomes the pairs c1c2, c2c3 … and the single cn, so that any part of it is a row of terms,
 * and any single character the beginning of one.
 */
export const tokensOf = (text: string): Token[] => {
  const tokens: Token[] = [];
  let word: Token | undefined;
  let stretch: Unit[] = [];
  const endWord = (): void => {
    if (word) tokens.push({ ...word, term: cut(word.term) });
    word = undefined;
  };
  const endStretch = (): void => {
    for (const [i, { text: character, start, end }] of stretch.entries()) {
      const next = stretch[i + 1];
      tokens.push({ term: character + (next?.text ?? ''), start, end: next?.end ?? end, headEnd: end, run: true });
    }
    stretch = [];
  };
  for (const unit of unitsOf(text)) {
    const { kind, start, end } = unit;
    if (kind !== Kind.word) endWord();
    if (kind !== Kind.run) endStretch();
    if (kind === Kind.word) {
      if (word) {
        word.term += unit.text;
        word.end = end;
      } else word = { term: unit.text, start, end, headEnd: end, run: false };
    } else if (kind === Kind.run)
      for (const character of charactersOf(unit.text)) stretch.push({ ...unit, text: character });
    else if (kind === Kind.symbol) tokens.push({ term: unit.text, start, end, headEnd: end, run: false });
  }
  endWord();
  endStretch();
  return tokens;
};

/** One sign may stand for several characters; marks stay with theirs. */
const charactersOf = (text: string): string[] => (text.length === 1 ? [text] : (text.match(/\P{M}\p{M}*/gu) ?? [text]));

/** Stands between the parts of a document, so that no phrase reaches from one into the next; no text has it as a term. */
export const partBreak = '¶';

/** The terms of a document, as an index takes them: with spaces between. */
export const termsOf = (parts: readonly string[]): string =>
  parts
    .map((part) =>
      tokensOf(part)
        .map(({ term }) => term)
        .join(' '),
    )
    .join(` ${partBreak} `);
