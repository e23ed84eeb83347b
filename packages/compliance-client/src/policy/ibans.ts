import { gap } from './numbers.ts';
import type { Span } from './verdict.ts';

/** Length of an IBAN by country: the registry of ISO 13616. */
const lengths: ReadonlyMap<string, number> = new Map(
  (
    'ad24 ae23 al28 at20 az28 ba20 be16 bg22 bh22 bi27 br29 by28 ch21 cr22 cy28 cz24 de22 dj27 dk18 do28 ee20 eg29 es24 ' +
    'fi18 fk18 fo18 fr27 gb22 ge22 gi23 gl18 gr27 gt28 hn28 hr21 hu28 ie22 il23 iq23 is26 it27 jo30 kw30 kz20 lb28 lc32 ' +
    'li21 lt20 lu20 lv21 ly25 mc27 md24 me22 mk19 mn20 mr27 mt31 mu30 ni28 nl18 no15 om23 pk24 pl28 ps29 pt25 qa29 ro24 ' +
    'rs22 ru33 sa24 sc31 sd18 se24 si19 sk24 sm27 so23 st25 sv28 tl23 tn24 tr26 ua29 va22 vg24 xk20 ye30'
  )
    .split(' ')
    .map((entry) => [entry.slice(0, 2), Number(entry.slice(2))]),
);

const beginning = /(?<![\p{L}\d])([a-z]{2})\d\d/gu;
const sign = /[a-z0-9]/;

/** Check of ISO 7064, MOD 97-10, on letters in lower case. */
const passesMod97 = (iban: string): boolean => {
  let rest = 0;
  for (const each of iban.slice(4) + iban.slice(0, 4)) {
    const value = Number.parseInt(each, 36);
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest === 1;
};

const between = new RegExp(`${gap}(?=[a-z0-9])`, 'y');

/** As many letters and digits, with what stands between groups here and there. */
const signsFrom = (text: string, start: number, count: number): { signs: string; end: number } | undefined => {
  let signs = '';
  let at = start;
  while (signs.length < count) {
    between.lastIndex = at;
    const skipped = between.exec(text);
    if (!skipped) return undefined;
    at += skipped[0].length;
    signs += text.charAt(at++);
  }
  return sign.test(text.charAt(at)) ? undefined : { signs, end: at };
};

export function* ibans(text: string): Iterable<Span> {
  for (const { index, 1: country } of text.matchAll(beginning)) {
    const length = lengths.get(country as string);
    const found = length === undefined ? undefined : signsFrom(text, index, length);
    if (found && passesMod97(found.signs)) yield { start: index, end: found.end };
  }
}
