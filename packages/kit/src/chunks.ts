/** Consecutive parts of at most `size` items. */
export const chunksOf = <T>(items: readonly T[], size: number): (readonly T[])[] => {
  if (items.length <= size) return items.length === 0 ? [] : [items];
  const chunks: (readonly T[])[] = [];
  for (let i = 0; i < items.length; i += size) chunks.push(items.slice(i, i + size));
  return chunks;
};

/** Runs a bulk call on each chunk and joins the answers, in order. */
export const inChunks = async <T, R>(
  items: readonly T[],
  size: number,
  call: (chunk: readonly T[]) => Promise<readonly R[]>,
): Promise<R[]> => {
  const answers = await Promise.all(chunksOf(items, size).map(call));
  return answers.flat();
};
