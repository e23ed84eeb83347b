/** Bounds of a backoff, in milliseconds. */
export interface BackoffBounds {
  /** Ceiling of the first wait. */
  readonly baseMs: number;
  /** Ceiling of any wait. */
  readonly capMs: number;
}

/**
 * Wait before attempt n (0, 1, 2 …), in milliseconds: full jitter, uniform in [0, min(cap, base · 2ⁿ)), so that clients
 * that lost the same node do not come back together (Brooker, "Exponential Backoff and Jitter"). A peer's retry hint
 * is a floor; the jitter then comes on top of it.
 */
export const backoffMs = (attempt: number, floorMs: number, bounds: BackoffBounds, random: () => number): number => {
  const ceiling = Math.min(bounds.capMs, bounds.baseMs * 2 ** Math.min(attempt, 30));
  return Math.floor(floorMs + random() * ceiling);
};
