import type { Span } from './verdict.ts';

/** What people write between groups of digits. */
const sign = '[ ./,_-]';
export const gap = `${sign}{0,3}`;
/** 13 to 19 digits in the groups that are on cards: fours, or 4-6-5 and 4-6-4. The last group may be another number. */
const card = new RegExp(
  `(?<!\\d)(?:(?:\\d{4}${gap}){3}\\d{1,4}(?:\\d{1,3}|(${sign}{1,3}\\d{1,3}))?|\\d{4}${gap}\\d{6}${gap}\\d{4,5})(?!\\d)`,
  'g',
);

/** Check of ISO/IEC 7812-1. */
export const passesLuhn = (digits: string): boolean => {
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    const digit = Number(digits[digits.length - 1 - i]);
    sum += i % 2 === 0 ? digit : digit > 4 ? digit * 2 - 9 : digit * 2;
  }
  return sum % 10 === 0;
};

const isCard = (written: string): boolean => {
  const digits = written.replace(/\D/g, '');
  return digits.length >= 13 && /[1-9]/.test(digits) && passesLuhn(digits);
};

export function* cards(text: string): Iterable<Span> {
  const candidates = new RegExp(card);
  for (let match = candidates.exec(text); match; match = candidates.exec(text)) {
    const [whole, last = ''] = match;
    const found = [whole, whole.slice(0, whole.length - last.length)].find(isCard);
    // A number may begin in the middle of what only looked like one.
    candidates.lastIndex = match.index + (found?.length ?? 1);
    if (found) yield { start: match.index, end: match.index + found.length };
  }
}

/** With its country (+ or 00), with the 0 or the bracket that areas begin with, or grouped 3-3-4. */
const phone =
  /(?<![\p{L}\d.+-])(?:(?:\+|00)[1-9](?:[ ()./-]{0,3}\d){6,14}|\(\d{1,5}\)(?:[ ./-]{0,2}\d){5,12}|0[1-9](?:[ ./-]{0,2}\d){5,13}|\d{3}([ .-])\d{3}\1\d{4})(?![\d\p{L}])/gu;
const date = /^\d{1,2}([./ -])\d{1,2}\1\d{2,4}(?!\d)/;

export function* phones(text: string): Iterable<Span> {
  for (const match of text.matchAll(phone)) {
    const digits = match[0].replace(/\D/g, '').length;
    if (digits >= 7 && digits <= 15 && !date.test(match[0]))
      yield { start: match.index, end: match.index + match[0].length };
  }
}
