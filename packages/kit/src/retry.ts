import { setTimeout as sleep } from 'node:timers/promises';
import { CaasError } from './errors.ts';

export interface RetryOptions {
  /** Attempts in all, the first included. */
  maxAttempts: number;
  /** Upper bound of the first wait in milliseconds; it doubles with each attempt. Full jitter: waits are 0 to bound. */
  baseMs: number;
  /** Greatest upper bound of a wait, in milliseconds; bounds what the error asks for, too. */
  capMs: number;
  /** Which errors are worth another attempt; by default those whose reason the table calls retryable. */
  when?: (error: unknown) => boolean;
  /** Least wait the error asks for, in milliseconds; by default its `retryAfterMs`. */
  askedMs?: (error: unknown) => number;
  /** Told before each wait, to log or count. */
  onRetry?: (event: { policy: string; attempt: number; waitMs: number; error: unknown }) => void;
}

const retryAfterMs = (error: unknown): number => (error instanceof CaasError ? error.retryAfterMs : 0);
const isRetryable = (error: unknown): boolean => error instanceof CaasError && error.retryable;

/** Wait before the attempt that follows `attempt` (1, 2, …): full jitter, and what the error asked for. */
export const retryWaitMs = (
  attempt: number,
  error: unknown,
  { baseMs, capMs, askedMs = retryAfterMs }: Pick<RetryOptions, 'baseMs' | 'capMs' | 'askedMs'>,
): number => {
  const jittered = Math.random() * Math.min(capMs, baseMs * 2 ** (attempt - 1));
  const asked = Math.min(askedMs(error), capMs);
  // The asked wait is jittered upwards, so that a crowd told the same number does not come back as one.
  return asked > 0 ? asked + jittered * 0.5 : jittered;
};

/**
 * The one way to retry. Calls `attempt` until it succeeds, throws what is not worth retrying, or `maxAttempts` is
 * reached; then throws the last error. Throws the signal's reason when it aborts, also in the middle of a wait.
 */
export const retrying = async <T>(
  policy: string,
  options: RetryOptions,
  attempt: (number: number) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> => {
  const { when = isRetryable, onRetry, maxAttempts } = options;
  let lastError: unknown;
  const worthIt = (error: unknown): boolean => {
    lastError = error;
    return !signal?.aborted && when(error);
  };
  try {
    signal?.throwIfAborted();
    // Most calls succeed here and pay nothing for what follows.
    return await attempt(1);
  } catch (error) {
    if (maxAttempts <= 1 || !worthIt(error)) throw error;
  }
  const { handleWhen, retry } = await import('cockatiel');
  // cockatiel counts and decides; the wait is here because its own can't be ended by a signal.
  const others = retry(handleWhen(worthIt), { maxAttempts: maxAttempts - 2, backoff: noWait });
  return others.execute(async ({ attempt: retries }) => {
    const failed = retries + 1;
    const waitMs = retryWaitMs(failed, lastError, options);
    onRetry?.({ policy, attempt: failed, waitMs, error: lastError });
    await sleep(waitMs, undefined, signal ? { signal } : {}).catch((error: unknown) => {
      throw signal?.reason ?? error;
    });
    return attempt(failed + 1);
  });
};

const noWait = { next: () => ({ duration: 0, next: () => noWait.next() }) };
