import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Asked } from './compile.ts';
import type { Verdict } from './verdict.ts';

export interface ToThread {
  number: number;
  /** Of the policy's version. */
  name: string;
  /** The encoded policy. */
  policy: Uint8Array;
  text: string;
  asReviewer: boolean;
}

export interface FromThread {
  number: number;
  judged: Verdict | Asked;
}

/** Texts that may wait for the thread. */
const maxWaiting = 200;
/** How long a text may take, its wait included, in milliseconds; then the thread is ended and another one begun. */
const defaultMaxMs = 2_000;
/** How much longer while the thread begins, in milliseconds. */
const beginMs = 5_000;

interface Waiting {
  job: ToThread;
  answer: (judged: Verdict | Asked | undefined) => void;
  late: NodeJS.Timeout;
}

/** Judges texts that would hold up an event loop, one after the other in a thread of its own, begun when it is needed. */
export class JudgeThread {
  readonly #maxMs: number;
  #worker: Worker | undefined;
  #waiting: Waiting[] = [];
  #numbers = 0;
  #ready = false;
  #closed = false;

  constructor(maxMs = defaultMaxMs) {
    this.#maxMs = maxMs;
  }

  /** The verdict; undefined when there is none in time, or too many wait. Never rejects. */
  judge(job: Omit<ToThread, 'number'>): Promise<Verdict | Asked | undefined> {
    if (this.#closed || this.#waiting.length >= maxWaiting) return Promise.resolve(undefined);
    return new Promise((answer) => {
      const number = ++this.#numbers;
      const late = setTimeout(() => this.#late(number), this.#maxMs + (this.#ready ? 0 : beginMs));
      this.#waiting.push({ job: { ...job, number }, answer, late });
      if (this.#waiting.length === 1) this.#next();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const { answer, late } of this.#waiting.splice(0)) {
      clearTimeout(late);
      answer(undefined);
    }
    await this.#worker?.terminate();
  }

  #next(): void {
    const [first] = this.#waiting;
    if (!first) return;
    this.#worker ??= this.#begin();
    this.#worker.postMessage(first.job);
  }

  #begin(): Worker {
    // The file beside this one, whether as it was written or built.
    const worker = new Worker(new URL(`./judge-worker${extname(import.meta.url)}`, import.meta.url));
    worker.unref();
    worker.on('message', (message: FromThread | 'ready') => {
      if (message === 'ready') this.#ready = true;
      else this.#answer(message.number, message.judged);
    });
    worker.on('error', () => this.#lost(worker));
    worker.on('exit', () => this.#lost(worker));
    return worker;
  }

  #answer(number: number, judged: Verdict | Asked | undefined): void {
    const [first] = this.#waiting;
    if (first?.job.number !== number) return;
    this.#waiting.shift();
    clearTimeout(first.late);
    first.answer(judged);
    this.#next();
  }

  #late(number: number): void {
    const index = this.#waiting.findIndex(({ job }) => job.number === number);
    if (index > 0) {
      this.#waiting.splice(index, 1)[0]?.answer(undefined);
      return;
    }
    const worker = this.#worker;
    this.#worker = undefined;
    this.#ready = false;
    void worker?.terminate();
    this.#answer(number, undefined);
  }

  #lost(worker: Worker): void {
    if (worker !== this.#worker || this.#closed) return;
    this.#worker = undefined;
    this.#ready = false;
    const [first] = this.#waiting;
    if (first) this.#answer(first.job.number, undefined);
  }
}
