/** What a character is to a search. */
export const Kind = { separator: 0, word: 1, run: 2, symbol: 3 } as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

/** A character as it is compared, and what it is. */
export interface Folded {
  text: string;
  kind: Kind;
}

/** Scripts written without spaces between words: found by the pairs of characters in them. */
const run =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Bopomofo}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}ー々〆]/u;
/** Marks that change the sound and not the word, in Latin, Greek, Cyrillic, Hebrew and Arabic. */
const accents = /[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u065f\u0670]/g;
const notText = /[^\p{L}\p{N}\p{M}]/gu;
/** Letters that have no decomposition, as they are typed without them. */
const plain: Readonly<Record<string, string>> = {
  ß: 'ss',
  æ: 'ae',
  œ: 'oe',
  ø: 'o',
  ł: 'l',
  đ: 'd',
  ð: 'd',
  þ: 'th',
  ı: 'i',
  ς: 'σ',
  ـ: '',
};

const fold = (unit: string): Folded => {
  let text = unit.toLowerCase().normalize('NFKD').replace(accents, '').normalize('NFC').toLowerCase();
  text = text.replace(notText, '');
  text = plain[text] ?? text;
  if (text !== '' && /[\p{L}\p{N}]/u.test(text)) return { text, kind: run.test(text) ? Kind.run : Kind.word };
  if (/\p{Extended_Pictographic}/u.test(unit)) return { text: unit.replaceAll('\ufe0f', ''), kind: Kind.symbol };
  return { text: '', kind: Kind.separator };
};

/** Characters beyond ASCII whose folding is remembered. */
const maxKnown = 20_000;
const known = new Map<string, Folded>();
const ascii: readonly Folded[] = Array.from({ length: 128 }, (_, code) => fold(String.fromCharCode(code)));

/** Folds one character with the marks that belong to it: case, width, accents and compatibility forms make no difference. */
export const folded = (unit: string): Folded => {
  if (unit.length === 1 && unit.charCodeAt(0) < 128) return ascii[unit.charCodeAt(0)] as Folded;
  let found = known.get(unit);
  if (!found) {
    found = fold(unit);
    if (known.size >= maxKnown) known.clear();
    known.set(unit, found);
  }
  return found;
};
