import type { Range } from './match.ts';

/** Greatest size of a snippet, in bytes of UTF-8. */
export const maxSnippetBytes = 300;
/** Greatest number of highlights of a snippet. */
export const maxHighlights = 20;
/** Bytes before the first match that are shown. */
const leadBytes = 90;
/** Code units beyond the snippet that are looked at, to find where characters begin. */
const lookUnits = 400;

export interface Snippet {
  text: string;
  /** Within `text`, in UTF-16 code units. */
  highlights: { start: number; length: number }[];
}

const graphemes = new Intl.Segmenter('und', { granularity: 'grapheme' });

const isLowSurrogate = (text: string, at: number): boolean => {
  const code = text.charCodeAt(at);
  return code >= 0xdc00 && code <= 0xdfff;
};
/** The offset, or the one before where it would split a surrogate pair. */
const whole = (text: string, at: number): number => (isLowSurrogate(text, at) ? at - 1 : at);

/** Offsets at which characters, as a reader sees them, begin within a part of the text; its end included. */
const boundariesIn = (text: string, from: number, to: number): number[] => {
  const part = text.slice(from, to);
  const starts = Array.from(graphemes.segment(part), ({ index }) => from + index);
  return [...starts, to];
};

/** Where to begin, so that the first match is shown with some of what leads up to it, from the beginning of a word. */
const startFor = (text: string, first: number): number => {
  const from = whole(text, Math.max(0, first - lookUnits));
  const boundaries = boundariesIn(text, from, first);
  let start = first;
  for (const at of boundaries.toReversed()) {
    if (Buffer.byteLength(text.slice(at, first)) > leadBytes) break;
    start = at;
  }
  if (start === 0) return 0;
  const space = /\s(?=\S)/u.exec(text.slice(start, first));
  return space ? start + space.index + space[0].length : start;
};

const endFor = (text: string, start: number): number => {
  const to = whole(text, Math.min(text.length, start + maxSnippetBytes + lookUnits));
  let end = start;
  let bytes = 0;
  for (const at of boundariesIn(text, start, to).slice(1)) {
    bytes += Buffer.byteLength(text.slice(end, at));
    if (bytes > maxSnippetBytes) break;
    end = at;
  }
  if (end > start || start === text.length) return end;
  // One character with more marks than a snippet has room for: its code points, as many as fit.
  const points = [...text.slice(start, start + maxSnippetBytes)];
  let kept = '';
  for (const point of points) {
    if (Buffer.byteLength(kept + point) > maxSnippetBytes) break;
    kept += point;
  }
  return start + kept.length;
};

/** A part of the text around its first match; without matches its beginning. Never cuts through a character. */
export const snippetOf = (text: string, ranges: readonly Range[]): Snippet => {
  const start = startFor(text, ranges[0]?.start ?? 0);
  const end = endFor(text, start);
  const shown = ranges.filter((range) => range.start < end && range.end > start).slice(0, maxHighlights);
  const boundaries = boundariesIn(text, start, end);
  const highlights = shown.map((range) => {
    const from = boundaries.findLast((at) => at <= range.start) ?? start;
    const to = boundaries.find((at) => at >= range.end) ?? end;
    return { start: from - start, length: to - from };
  });
  return { text: text.slice(start, end), highlights };
};
