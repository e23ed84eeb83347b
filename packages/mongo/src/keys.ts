/**
 * One text for a key of several parts. All but the last are preceded by their length, so no two lists of parts give the
 * same text; documents of one conversation lie next to each other in an index of such keys.
 */
export const textKey = (...parts: readonly string[]): string => {
  let key = '';
  for (let i = 0; i < parts.length - 1; i += 1) key += `${(parts[i] as string).length}:${parts[i]}`;
  return key + parts.at(-1);
};
