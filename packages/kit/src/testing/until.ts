/** Polls until what is read holds, by default until it is true; fails at the deadline with what was read last. */
export const until = async <T>(
  what: string,
  read: () => T | Promise<T>,
  holds: (value: T) => unknown = Boolean,
  deadlineMs = 10_000,
): Promise<T> => {
  const end = Date.now() + deadlineMs;
  for (;;) {
    const value = await read();
    if (holds(value)) return value;
    if (Date.now() > end)
      throw new Error(`${what}: not within ${deadlineMs} ms, last ${JSON.stringify(value)?.slice(0, 1_000)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};
