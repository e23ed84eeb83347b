import type { Span } from './verdict.ts';

const graphemes = new Intl.Segmenter('und', { granularity: 'grapheme' });
const plain = /^[\x20-\x7e]*$/;

/** Spans in order, those that touch or overlap as one, empty ones left out. */
const united = (spans: readonly Span[]): Span[] => {
  const out: Span[] = [];
  for (const { start, end } of spans.filter((s) => s.end > s.start).toSorted((a, b) => a.start - b.start)) {
    const last = out.at(-1);
    if (last && start <= last.end) last.end = Math.max(last.end, end);
    else out.push({ start, end });
  }
  return out;
};

/** The text with each character that has a part in a span as `*`: one for what a reader sees as one. */
export const masked = (text: string, spans: readonly Span[]): string => {
  const parts: string[] = [];
  let at = 0;
  for (const { start, end } of united(spans)) {
    if (end <= at) continue;
    const { from, to, stars } = charactersAround(text, Math.max(start, at), end);
    parts.push(text.slice(at, from), '*'.repeat(stars));
    at = to;
  }
  return parts.join('') + text.slice(at);
};

const charactersAround = (text: string, start: number, end: number): { from: number; to: number; stars: number } => {
  // Neighbours too: a mark that follows belongs to the last letter.
  if (plain.test(text.slice(Math.max(0, start - 1), end + 1))) return { from: start, to: end, stars: end - start };
  const segments = graphemes.segment(text);
  const from = segments.containing(start)?.index ?? start;
  let [to, stars] = [from, 0];
  while (to < end) {
    const { segment } = segments.containing(to) as Intl.SegmentData;
    to += segment.length;
    stars++;
  }
  return { from, to, stars };
};
