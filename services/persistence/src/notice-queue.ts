import type { News } from './notify.ts';

/** Batches whose notices may wait for a slow node or key-value store; those of a further batch are dropped. */
export const maxWaitingNews = 8;

const countOf = ({ notices, rejections }: News): number => notices.length + rejections.length;

/**
 * Sends the news of batches one after the other, outside the way of the batches. When the other side is slow or away, news
 * is dropped and counted: nodes find out by comparing heads.
 */
export class NoticeQueue {
  /** Notices of heads and of rejected messages. */
  dropped = 0;
  readonly #send: (news: News) => Promise<void>;
  readonly #onFault: (fault: unknown) => void;
  #waiting = 0;
  #last: Promise<void> = Promise.resolve();

  constructor(send: (news: News) => Promise<void>, onFault: (fault: unknown) => void) {
    this.#send = send;
    this.#onFault = onFault;
  }

  add(news: News): void {
    if (countOf(news) === 0) return;
    if (this.#waiting >= maxWaitingNews) {
      this.dropped += countOf(news);
      return;
    }
    this.#waiting += 1;
    this.#last = this.#last
      .then(() => this.#send(news))
      .catch((fault: unknown) => {
        this.dropped += countOf(news);
        this.#onFault(fault);
      })
      .finally(() => {
        this.#waiting -= 1;
      });
  }

  /** Resolves when what was added has left or was dropped. Never rejects. */
  settled(): Promise<void> {
    return this.#last;
  }
}
