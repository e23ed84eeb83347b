import type { Logger } from '@caas/kit';
import type { GrpcClient } from '@caas/kit/grpc';
import {
  PolicyAction,
  type PolicyServiceService,
  type ReviewItem,
  type Verdict as WireVerdict,
} from '@caas/proto/caas/compliance/v1/policy_service';
import { allowed, type Verdict } from '../policy/verdict.ts';
import { AsyncQueue } from './async-queue.ts';
import { maxReviewBatch, maxReviewBatchBytes, maxReviews } from './limits.ts';

export type ReviewService = Pick<GrpcClient<typeof PolicyServiceService>, 'reviewContent'>;

interface Waiting {
  answer: (verdict: Verdict | undefined) => void;
  late: NodeJS.Timeout;
}

interface Stream {
  queue: AsyncQueue<ReviewItem>;
  /** Numbers of what was sent on it or waits to be. */
  numbers: Set<number>;
  cancel: AbortController;
}

const takeBatch = (items: ReviewItem[]): ReviewItem[] => {
  let [count, bytes] = [0, 0];
  for (const { text } of items) {
    bytes += text.length * 3;
    if (count > 0 && (bytes > maxReviewBatchBytes || count === maxReviewBatch)) break;
    count++;
  }
  return items.splice(0, count);
};

const verdictOf = ({ action, ruleIds, publicReason, maskedText }: WireVerdict): Verdict => {
  switch (action) {
    case PolicyAction.POLICY_ACTION_REJECT:
      return { kind: 'reject', ruleIds, publicReason };
    case PolicyAction.POLICY_ACTION_HOLD:
      return { kind: 'hold', ruleIds, publicReason, text: maskedText };
    case PolicyAction.POLICY_ACTION_MASK:
      return { kind: 'mask', ruleIds, text: maskedText };
    case PolicyAction.POLICY_ACTION_FLAG:
      return { kind: 'flag', ruleIds };
    default:
      return allowed;
  }
};

/** Asks compliance for verdicts, all on one stream that is opened when there is something to ask. */
export class Reviews {
  readonly #service: ReviewService;
  readonly #reviewMs: number;
  readonly #logger: Logger;
  readonly #waiting = new Map<number, Waiting>();
  #stream: Stream | undefined;
  #numbers = 0;

  constructor(service: ReviewService, reviewMs: number, logger: Logger) {
    this.#service = service;
    this.#reviewMs = reviewMs;
    this.#logger = logger;
  }

  /** The verdict; undefined when there is none in time. Never rejects. */
  ask(content: Omit<ReviewItem, 'number'>): Promise<Verdict | undefined> {
    if (this.#waiting.size >= maxReviews) return Promise.resolve(undefined);
    const number = ++this.#numbers;
    const stream = this.#stream ?? this.#open();
    stream.numbers.add(number);
    stream.queue.put({ number, ...content });
    return new Promise((answer) => {
      const late = setTimeout(() => this.#answer(stream, number, undefined), this.#reviewMs);
      this.#waiting.set(number, { answer, late });
    });
  }

  close(): void {
    this.#stream?.cancel.abort();
    this.#stream?.queue.end();
    if (this.#stream) this.#lost(this.#stream);
  }

  #open(): Stream {
    const stream: Stream = { queue: new AsyncQueue(), numbers: new Set(), cancel: new AbortController() };
    this.#stream = stream;
    this.#read(stream)
      .catch((err: unknown) => {
        if (!stream.cancel.signal.aborted) this.#logger.warn({ err }, 'contents can’t be reviewed now');
      })
      .finally(() => this.#lost(stream));
    return stream;
  }

  async #read(stream: Stream): Promise<void> {
    const requests = async function* () {
      for await (const items of stream.queue.batches(takeBatch)) yield { items };
    };
    for await (const { verdicts } of this.#service.reviewContent(requests(), { signal: stream.cancel.signal }))
      for (const verdict of verdicts) this.#answer(stream, verdict.number, verdictOf(verdict));
  }

  #answer(stream: Stream, number: number, verdict: Verdict | undefined): void {
    stream.numbers.delete(number);
    const waiting = this.#waiting.get(number);
    this.#waiting.delete(number);
    clearTimeout(waiting?.late);
    waiting?.answer(verdict);
  }

  #lost(stream: Stream): void {
    if (this.#stream === stream) this.#stream = undefined;
    stream.queue.end();
    for (const number of stream.numbers) this.#answer(stream, number, undefined);
  }
}
