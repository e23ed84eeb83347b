/** About what a view adds to a frame, bytes: its JSON, defaults included; protobuf is shorter. */
export const replyBytes = (view: object): number => Buffer.byteLength(JSON.stringify(view));

/**
 * Pure: the stretch of items around the one at `start` that fits in `maxBytes`, grown to both sides by turns; the one
 * at `start` is always given, so that whoever asks for the next page gets on.
 */
export const fitting = <T>(
  items: readonly T[],
  start: number,
  maxBytes: number,
  viewOf: (item: T) => object,
): { kept: T[]; bytes: number } => {
  const first = items[start];
  if (first === undefined) return { kept: [], bytes: 0 };
  let bytes = replyBytes(viewOf(first));
  let [from, to] = [start, start + 1];
  const fits = (item: T | undefined): boolean => {
    if (item === undefined) return false;
    const size = replyBytes(viewOf(item));
    if (bytes + size > maxBytes) return false;
    bytes += size;
    return true;
  };
  let [before, after] = [true, true];
  while (before || after) {
    after &&= fits(items[to]);
    if (after) to++;
    before &&= from > 0 && fits(items[from - 1]);
    if (before) from--;
  }
  return { kept: items.slice(from, to), bytes };
};
