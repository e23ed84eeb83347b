import { CaasError } from '@caas/kit';
// Not the index: it loads every engine's limiter, 20 ms of the cold start.
import RateLimiterMemory from 'rate-limiter-flexible/lib/RateLimiterMemory.js';
import type { RateLimits, RateRule, RateVerdict } from './port.ts';

/** Buckets held at most; beyond, the bucket whose window began first is forgotten. */
export const defaultMaxBuckets = 200_000;

export interface MemoryRateLimitsOptions {
  maxBuckets?: number;
}

/**
 * RateLimits of this process. A window begins with the first take of a key and ends `windowMs` later; a refused take counts
 * too. The rule's points are compared, not stored, so a tenant's changed limit holds at once.
 */
export const memoryRateLimits = ({ maxBuckets = defaultMaxBuckets }: MemoryRateLimitsOptions = {}): RateLimits => {
  const limiter = new RateLimiterMemory({ keyPrefix: '', points: Number.MAX_SAFE_INTEGER, duration: 1 });
  /** When each bucket's window ends, in the order they began. */
  const buckets = new Map<string, number>();
  let closed = false;

  const forget = async (bucket: string): Promise<void> => {
    buckets.delete(bucket);
    await limiter.delete(bucket);
  };
  /** Two a call, so that ended windows go faster than new ones come; the limiter itself forgets them by timer. */
  const keepBounds = async (nowMs: number): Promise<void> => {
    for (let i = 0; i < 2; i += 1) {
      const [bucket, endsAtMs] = buckets.entries().next().value ?? [];
      if (bucket === undefined || endsAtMs === undefined) return;
      if (endsAtMs <= nowMs || buckets.size > maxBuckets) await forget(bucket);
    }
  };

  return {
    async take(rule: RateRule, key: string, points = 1): Promise<RateVerdict> {
      if (closed) throw new CaasError('DRAINING', 'the rate limits are closed');
      const bucket = `${rule.name}:${key}`;
      const result = await limiter.consume(bucket, points, { customDuration: rule.windowMs / 1000 });
      if (result.isFirstInDuration) {
        const nowMs = Date.now();
        buckets.delete(bucket);
        buckets.set(bucket, nowMs + rule.windowMs);
        await keepBounds(nowMs);
      }
      const remaining = Math.max(0, rule.points - result.consumedPoints);
      return { allowed: result.consumedPoints <= rule.points, remaining, resetMs: Math.max(0, result.msBeforeNext) };
    },
    async close(): Promise<void> {
      closed = true;
      for (const bucket of [...buckets.keys()]) await forget(bucket);
    },
  };
};
