import type { Span } from './verdict.ts';

const graphemes = new Intl.Segmenter('und', { granularity: 'grapheme' });
const plain = /^[\x20-\x7e]*$/;

/** The text with each character that has a part in a span as `*`: one for what a reader sees as one. Spans are a cover's. */
export const masked = (text: string, spans: readonly Span[]): string => {
  const parts: string[] = [];
  // Once: it takes as long as the text is.
  const segments = plain.test(text) ? undefined : graphemes.segment(text);
  let at = 0;
  for (const { start, end } of spans) {
    if (end <= at) continue;
    const begin = Math.max(start, at);
    // Neighbours too: a mark that follows belongs to the last letter.
    const { from, to, stars } =
      !segments || plain.test(text.slice(Math.max(0, begin - 1), end + 1))
        ? { from: begin, to: end, stars: end - begin }
        : charactersAround(segments, begin, end);
    parts.push(text.slice(at, from), '*'.repeat(stars));
    at = to;
  }
  return parts.join('') + text.slice(at);
};

const charactersAround = (segments: Intl.Segments, start: number, end: number) => {
  const from = segments.containing(start)?.index ?? start;
  let [to, stars] = [from, 0];
  while (to < end) {
    const { segment } = segments.containing(to) as Intl.SegmentData;
    to += segment.length;
    stars++;
  }
  return { from, to, stars };
};
