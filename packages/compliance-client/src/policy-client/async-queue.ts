/** What is put in comes out in order, to one reader, in batches of what there is. */
export class AsyncQueue<T> {
  #items: T[] = [];
  #wake: (() => void) | undefined;
  #ended = false;

  put(item: T): void {
    this.#items.push(item);
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  /** Batches of what `take` takes from the front: at least one. Ends once `end` was called. */
  async *batches(take: (items: T[]) => T[]): AsyncGenerator<T[]> {
    for (;;) {
      while (this.#items.length === 0 && !this.#ended)
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      if (this.#ended) return;
      // A turn, so that what the turn brings goes together.
      await new Promise((resolve) => setImmediate(resolve));
      yield take(this.#items);
    }
  }
}
