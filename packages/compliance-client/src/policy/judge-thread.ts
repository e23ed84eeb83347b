import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Asked } from './compile.ts';
import type { Verdict } from './verdict.ts';

export interface ToThread {
  /** Of the policy's version. */
  name: string;
  /** The encoded policy. */
  policy: Uint8Array;
  text: string;
  asReviewer: boolean;
}

export type FromThread = Verdict | Asked | 'ready';

/** Texts that may wait for the thread, and those of one tenant. */
const maxWaiting = 1_000;
export const maxWaitingOfTenant = 50;
/** How long a text may wait for the thread, in milliseconds: longer than another one may take. */
const defaultMaxWaitMs = 3_000;
/** How long a text may take once it is begun, in milliseconds; then the thread is ended and another one begun. */
const defaultMaxMs = 2_000;
/** How long the thread may take to begin, in milliseconds. */
const beginMs = 5_000;

interface Waiting {
  tenantId: string;
  job: ToThread;
  answer: (judged: Verdict | Asked | undefined) => void;
  /** Ends its wait, or once it is begun the thread. */
  late: NodeJS.Timeout;
}

/**
 * Judges texts that would hold up an event loop, one after the other in a thread of its own, begun when it is needed. Tenants
 * take turns: one that has many does not make the others wait for all of them.
 */
export class JudgeThread {
  readonly #maxMs: number;
  readonly #maxWaitMs: number;
  #worker: Worker | undefined;
  #ready = false;
  #closed = false;
  /** By tenant, the one whose turn is next first; none is empty. */
  readonly #queues = new Map<string, Waiting[]>();
  #waiting = 0;
  #begun: Waiting | undefined;

  constructor({ maxMs = defaultMaxMs, maxWaitMs = defaultMaxWaitMs } = {}) {
    this.#maxMs = maxMs;
    this.#maxWaitMs = maxWaitMs;
  }

  /** The verdict; undefined when there is none in time, or too many wait. Never rejects. */
  judge(tenantId: string, job: ToThread): Promise<Verdict | Asked | undefined> {
    const queue = this.#queues.get(tenantId) ?? [];
    if (this.#closed || this.#waiting >= maxWaiting || queue.length >= maxWaitingOfTenant)
      return Promise.resolve(undefined);
    return new Promise((answer) => {
      const late = setTimeout(() => this.#waited(item), this.#maxWaitMs + (this.#ready ? 0 : beginMs));
      const item = { tenantId, job, answer, late };
      this.#put(tenantId, [...queue, item]);
      this.#waiting++;
      this.#next();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const { answer, late } of [this.#begun ?? [], ...this.#queues.values()].flat()) {
      clearTimeout(late);
      answer(undefined);
    }
    this.#queues.clear();
    this.#begun = undefined;
    await this.#worker?.terminate();
  }

  #put(tenantId: string, queue: Waiting[]): void {
    if (queue.length > 0) this.#queues.set(tenantId, queue);
    else this.#queues.delete(tenantId);
  }

  #next(): void {
    const [first] = this.#queues;
    if (this.#begun || !first) return;
    const [tenantId, [item, ...others]] = first as [string, [Waiting, ...Waiting[]]];
    this.#put(tenantId, others);
    this.#waiting--;
    this.#begun = item;
    this.#worker ??= this.#begin();
    this.#watch(item);
    this.#worker.postMessage(item.job);
  }

  #begin(): Worker {
    // The file beside this one, whether as it was written or built.
    const worker = new Worker(new URL(`./judge-worker${extname(import.meta.url)}`, import.meta.url));
    worker.unref();
    worker.on('message', (message: FromThread) => {
      if (worker !== this.#worker) return;
      if (message !== 'ready') return this.#answer(message);
      this.#ready = true;
      if (this.#begun) this.#watch(this.#begun);
    });
    worker.on('error', () => this.#lost(worker));
    worker.on('exit', () => this.#lost(worker));
    return worker;
  }

  /** Gives the thread its time for the text from now on. */
  #watch(item: Waiting): void {
    clearTimeout(item.late);
    const worker = this.#worker as Worker;
    item.late = setTimeout(
      () => {
        void worker.terminate();
        this.#lost(worker);
      },
      this.#ready ? this.#maxMs : beginMs,
    );
  }

  #waited(item: Waiting): void {
    const queue = this.#queues.get(item.tenantId) ?? [];
    this.#put(
      item.tenantId,
      queue.filter((other) => other !== item),
    );
    this.#waiting--;
    item.answer(undefined);
  }

  #answer(judged: Verdict | Asked | undefined): void {
    const item = this.#begun;
    if (!item) return;
    this.#begun = undefined;
    clearTimeout(item.late);
    item.answer(judged);
    // Its tenant has had its turn.
    const queue = this.#queues.get(item.tenantId) ?? [];
    this.#queues.delete(item.tenantId);
    this.#put(item.tenantId, queue);
    this.#next();
  }

  #lost(worker: Worker): void {
    if (worker !== this.#worker || this.#closed) return;
    this.#worker = undefined;
    this.#ready = false;
    this.#answer(undefined);
  }
}
