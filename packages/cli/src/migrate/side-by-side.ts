/** Does work for each item, at most `atOnce` of them at a time; the first fault ends it. */
export const sideBySide = async <T>(
  items: AsyncGenerator<T, void, undefined>,
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> => {
  let failed = false;
  const worker = async (): Promise<void> => {
    // An async generator serves its callers one after the other.
    for (let next = await items.next(); !next.done && !failed; next = await items.next())
      await work(next.value).catch((fault: unknown) => {
        failed = true;
        throw fault;
      });
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
};
