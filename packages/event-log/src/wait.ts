/** Whether `work` settled within `ms`; its outcome is the caller's to look at. */
export const settledWithin = async (work: Promise<unknown>, ms: number): Promise<boolean> => {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  const settled = work.then(
    () => true,
    () => true,
  );
  try {
    return await Promise.race([settled, tooLate]);
  } finally {
    clearTimeout(timer);
  }
};

/** A bell one loop waits for; a ring while nobody waits is kept. */
export class Bell {
  #rung = false;
  #hear: (() => void) | undefined;

  readonly ring = (): void => {
    this.#rung = true;
    this.#hear?.();
  };

  /** Resolves at the next ring, or after `ms`. */
  async heard(ms?: number): Promise<void> {
    if (!this.#rung) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.#hear = resolve;
        if (ms !== undefined) timer = setTimeout(resolve, ms);
      });
      clearTimeout(timer);
      this.#hear = undefined;
    }
    this.#rung = false;
  }
}
