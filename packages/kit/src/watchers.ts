import { fail } from './errors.ts';

export interface WatchersOptions {
  /** Watchers at a time; more are refused with OVERLOADED. */
  maxWatchers: number;
  /** What may wait for one slow watcher; past it its watch ends with SLOW_CONSUMER. */
  maxWaiting: number;
  /** What a watcher gets at once. */
  page: number;
  /** How often a watcher hears that there is nothing new, in milliseconds. */
  signOfLifeMs: number;
  /** False while nobody here can know what is new: then there is no sign of life either. Default: one always can. */
  sighted?(): boolean;
}

interface Watcher<T> {
  waiting: T[];
  /** More than `maxWaiting` came unread; what waited was dropped. */
  overrun: boolean;
  wake(): void;
}

/** Tells what is new to whoever watches, each as fast as it reads. */
export class Watchers<T> {
  readonly #options: WatchersOptions;
  readonly #watchers = new Set<Watcher<T>>();

  constructor(options: WatchersOptions) {
    this.#options = options;
  }

  tell(news: readonly T[]): void {
    const { maxWaiting } = this.#options;
    for (const watcher of this.#watchers) {
      watcher.overrun ||= watcher.waiting.length + news.length > maxWaiting;
      watcher.waiting = watcher.overrun ? [] : watcher.waiting.concat(news);
      watcher.wake();
    }
  }

  /**
   * Batches of what is told from the call on: `first`, or an empty one, at once, and an empty one each `signOfLifeMs` while
   * nothing happens and we are sighted. Ends when the signal aborts. Throws OVERLOADED and SLOW_CONSUMER at the bounds.
   */
  async *watch(signal: AbortSignal, first?: () => Promise<T[]>): AsyncGenerator<T[]> {
    const { maxWatchers, page, sighted = () => true } = this.#options;
    if (this.#watchers.size >= maxWatchers) {
      fail('OVERLOADED', 'too many watchers', { details: { limit: 'maxWatchers', value: String(maxWatchers) } });
    }
    const watcher: Watcher<T> = { waiting: [], overrun: false, wake: () => undefined };
    this.#watchers.add(watcher);
    const wake = () => watcher.wake();
    signal.addEventListener('abort', wake);
    try {
      yield (await first?.()) ?? [];
      while (!signal.aborted) {
        if (watcher.waiting.length === 0 && !watcher.overrun) await this.#wait(watcher, signal);
        if (watcher.overrun) fail('SLOW_CONSUMER', 'what is new was not read in time');
        const batch = watcher.waiting.splice(0, page);
        if (batch.length > 0 || sighted()) yield batch;
      }
    } finally {
      signal.removeEventListener('abort', wake);
      this.#watchers.delete(watcher);
    }
  }

  async #wait(watcher: Watcher<T>, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      watcher.wake = resolve;
      timer = setTimeout(resolve, this.#options.signOfLifeMs);
    });
    clearTimeout(timer);
  }
}
