/**
 * Texts as they are compared: compatibility forms (full width, ligatures, styled letters) as the letters they stand for,
 * without case, accents and what nobody sees. Code point by code point, so that every unit knows where it came from.
 */
export interface Folded {
  text: string;
  /** Where in the original each unit begins, and its end; undefined: each is where it was. */
  starts: readonly number[] | undefined;
  original: string;
}

const notAscii = /[\u0080-\uffff]/;
/** Accents as Unicode sets them apart from letters. Vowel signs and voicing marks are letters to who reads them. */
const accents = /[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]/g;
const unseen = /\p{Default_Ignorable_Code_Point}/gu;

const lower = (text: string): string => text.toLowerCase().normalize('NFKD').replace(accents, '');

const foldPoint = (point: string): string =>
  // Up and down again: that is how ß is ss and ς is σ.
  lower(lower(point.normalize('NFKD').replace(unseen, '').replace(accents, '')).toUpperCase());

const seenPoint = (point: string): string => point.normalize('NFKC').replace(unseen, '');

const byPoint = (change: (point: string) => string): ((original: string) => Folded) => {
  const basic: (string | undefined)[] = [];
  const changed = (point: string): string => {
    const code = point.charCodeAt(0);
    if (point.length > 1) return change(point);
    basic[code] ??= change(point);
    return basic[code];
  };
  return (original) => {
    const starts: number[] = [];
    let text = '';
    let at = 0;
    for (const point of original) {
      const part = changed(point);
      text += part;
      for (let i = 0; i < part.length; i++) starts.push(at);
      at += point.length;
    }
    starts.push(at);
    return { text, starts, original };
  };
};
const folding = byPoint(foldPoint);
const seeing = byPoint(seenPoint);

export const fold = (original: string): Folded =>
  notAscii.test(original) ? folding(original) : { text: original.toLowerCase(), starts: undefined, original };

/** The same with case and accents: a text as who reads it sees it. Undefined where that is as it was written. */
export const seen = (original: string): Folded | undefined => {
  const plain = notAscii.test(original) ? seeing(original) : undefined;
  return plain?.text === original ? undefined : plain;
};

/** Where in the original a range of the folded text is: from where its first unit came to where the next one does. */
export const spanIn = ({ starts, original }: Folded, start: number, end: number): { start: number; end: number } => {
  if (!starts) return { start, end };
  const from = starts[start] ?? original.length;
  let to = end;
  // Several units of one code point: all of it.
  while (to < starts.length - 1 && starts[to] === starts[end - 1]) to++;
  return { start: from, end: starts[to] ?? original.length };
};
