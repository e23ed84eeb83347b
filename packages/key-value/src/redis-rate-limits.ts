import { rateKey } from './keys.ts';
import type { RateLimits, RateRule, RateVerdict } from './port.ts';
import { connectRedis, type RedisEngineOptions } from './redis/client.ts';
import { TurnPipeline, type TurnPipelineOptions } from './redis/turn-pipeline.ts';

export type RedisRateLimitsOptions = RedisEngineOptions & TurnPipelineOptions;

/** Counts and begins the window as one: a counter without an end would shut its key out for good. */
const takeScript = `
local taken = redis.call('incrby', KEYS[1], ARGV[1])
local left = redis.call('pttl', KEYS[1])
if left < 0 then
  redis.call('pexpire', KEYS[1], ARGV[2])
  left = tonumber(ARGV[2])
end
return {taken, left}`;

/**
 * Opens RateLimits on a Redis, or a Redis Cluster; it counts as the memory adapter does. A script of its own rather than
 * rate-limiter-flexible's, which knows whole seconds only and neither bounds nor batches what waits for Redis. While Redis
 * is away `take` rejects UNAVAILABLE: whether to count alone or to refuse is the caller's to say.
 */
export const openRedisRateLimits = async (options: RedisRateLimitsOptions): Promise<RateLimits> => {
  const pipeline = new TurnPipeline(await connectRedis(options), options);
  const keyPrefix = options.keyPrefix ?? '';
  return {
    async take(rule: RateRule, key: string, points = 1): Promise<RateVerdict> {
      const counter = keyPrefix + rateKey(rule.name, key);
      const [answer] = await pipeline.run([['eval', takeScript, 1, counter, points, Math.ceil(rule.windowMs)]]);
      const [taken, resetMs] = answer as [number, number];
      return { allowed: taken <= rule.points, remaining: Math.max(0, rule.points - taken), resetMs };
    },
    close: () => pipeline.close(),
  };
};
