import { PersonalDataKind } from '@caas/proto/caas/compliance/v1/policy_service';
import { ibans } from './ibans.ts';
import { cards, phones } from './numbers.ts';
import type { Span } from './verdict.ts';

/*
 * Detectors work on folded text: lower case, full-width digits and letters as plain ones, and on digits, blanks and hyphens
 * as plain ones too. Each candidate is looked at in a bounded number of steps, so that all of them take time linear in the text.
 */

const digit = /^\p{Nd}$/u;
const unusual = /[^\P{Nd}0-9]|[^\P{Pd}-]|\u2212|[^\S ]/gu;

/** Digits of any script, dashes and blanks as those of ASCII, each where it was. (Of the basic plane: what lies past it is as long as two.) */
const plain = (text: string): string =>
  text.replace(unusual, (sign) => {
    if (sign.length > 1) return sign;
    if (!digit.test(sign)) return sign.trim() === '' ? ' ' : '-';
    // The ten of a script follow each other, and some scripts each other.
    let value = 0;
    while (digit.test(String.fromCharCode(sign.charCodeAt(0) - value - 1))) value++;
    return String(value % 10);
  });

const local = /[\p{L}\p{N}._%+'-]/u;
const domain = /@(?:[\p{L}\p{N}-]{1,63}\.){1,8}\p{L}[\p{L}\p{N}-]{1,62}/uy;
const maxLocal = 64;

function* emails(text: string): Iterable<Span> {
  for (let at = text.indexOf('@'); at >= 0; at = text.indexOf('@', at + 1)) {
    let start = at;
    while (start > 0 && at - start < maxLocal && local.test(text.charAt(start - 1))) start--;
    domain.lastIndex = at;
    const match = start < at ? domain.exec(text) : null;
    if (match) yield { start, end: at + match[0].length };
  }
}

const manyDigits = /\d(?:\D{0,3}\d){6}/;

interface Detector {
  kind: PersonalDataKind;
  /** Quickly false for most texts that have none. */
  likely(text: string): boolean;
  find(text: string): Iterable<Span>;
}

const detectors: readonly Detector[] = [
  { kind: PersonalDataKind.PERSONAL_DATA_KIND_EMAIL, likely: (text) => text.includes('@'), find: emails },
  { kind: PersonalDataKind.PERSONAL_DATA_KIND_CARD_NUMBER, likely: (text) => manyDigits.test(text), find: cards },
  { kind: PersonalDataKind.PERSONAL_DATA_KIND_PHONE, likely: (text) => manyDigits.test(text), find: phones },
  { kind: PersonalDataKind.PERSONAL_DATA_KIND_IBAN, likely: (text) => /\p{L}\d\d/u.test(text), find: ibans },
];

/** Where a text holds personal data of the kinds, in units of the folded text. */
export const personalData = (folded: string, kinds: readonly PersonalDataKind[]): Span[] => {
  const text = plain(folded);
  const spans: Span[] = [];
  for (const { kind, likely, find } of detectors) if (kinds.includes(kind) && likely(text)) spans.push(...find(text));
  return spans;
};
