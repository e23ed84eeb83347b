import { CaasError } from '@caas/kit';
import type { KeyValue, SetEntry } from './port.ts';
import { connectRedis, type RedisEngineOptions } from './redis/client.ts';
import { TurnPipeline, type TurnPipelineOptions } from './redis/turn-pipeline.ts';

export type RedisKeyValueOptions = RedisEngineOptions & TurnPipelineOptions;

/** Milliseconds since 1970 on the server's clock. */
const nowScript = `
local time = redis.call('time')
local now = time[1] * 1000 + math.floor(time[2] / 1000)`;

/**
 * Adds members, scored by when they go, to a sorted set without those that have gone. It is one with the key's time to live,
 * the longest of its members', or a connection that ends in between would leave a set that lives for ever. The first line has it
 * refused as a whole where memory is short: without, the removal would let the rest pass.
 */
const addScript = `#!lua
${nowScript}
redis.call('zremrangebyscore', KEYS[1], '-inf', now)
local added = {}
for i = 2, #ARGV do added[i - 1] = redis.call('zadd', KEYS[1], now + ARGV[1], ARGV[i]) end
if redis.call('pttl', KEYS[1]) < tonumber(ARGV[1]) then redis.call('pexpire', KEYS[1], ARGV[1]) end
return added`;

/** As a script, for the server's clock. */
const membersScript = `${nowScript}
return redis.call('zrangebyscore', KEYS[1], '(' .. string.format('%.0f', now), '+inf')`;

/**
 * Opens KeyValue on a Redis, or a Redis Cluster: no command names two keys. Redis evicts nothing by itself
 * (`maxmemory-policy noeviction`), so a write past its memory rejects OVERLOADED.
 */
export const openRedisKeyValue = async (options: RedisKeyValueOptions): Promise<KeyValue> =>
  new RedisKeyValue(new TurnPipeline(await connectRedis(options), options), options.keyPrefix ?? '');

class RedisKeyValue implements KeyValue {
  readonly #pipeline: TurnPipeline;
  readonly #keyPrefix: string;

  constructor(pipeline: TurnPipeline, keyPrefix: string) {
    this.#pipeline = pipeline;
    this.#keyPrefix = keyPrefix;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return (await this.getMany([key]))[0];
  }

  async getMany(keys: readonly string[]): Promise<(Uint8Array | undefined)[]> {
    const values = await this.#pipeline.run(keys.map((key) => ['getBuffer', this.#keyPrefix + key]));
    return values.map((value) => (value as Buffer | null) ?? undefined);
  }

  async set(key: string, value: Uint8Array, ttlMs: number): Promise<void> {
    await this.#pipeline.run([['set', this.#keyPrefix + key, bufferOf(value), 'PX', ttlOf(ttlMs)]]);
  }

  async addToSets(entries: readonly SetEntry[], ttlMs: number): Promise<boolean[]> {
    const ttl = ttlOf(ttlMs);
    const sets = [...membersByKey(entries)];
    const answers = await this.#pipeline.run(
      sets.map(([key, members]) => ['eval', addScript, 1, this.#keyPrefix + key, ttl, ...members]),
    );
    const added = new Map(sets.map(([key], i) => [key, (answers[i] as number[]).values()]));
    return entries.map(({ key }) => added.get(key)?.next().value === 1);
  }

  async removeFromSets(entries: readonly SetEntry[]): Promise<void> {
    const sets = [...membersByKey(entries)];
    await this.#pipeline.run(sets.map(([key, members]) => ['zrem', this.#keyPrefix + key, ...members]));
  }

  async membersOf(keys: readonly string[]): Promise<string[][]> {
    const scripts = keys.map((key) => ['eval_ro', membersScript, 1, this.#keyPrefix + key] as const);
    return (await this.#pipeline.run(scripts)) as string[][];
  }

  close(): Promise<void> {
    return this.#pipeline.close();
  }
}

const bufferOf = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Redis takes whole milliseconds; what is less than one is one. */
const ttlOf = (ttlMs: number): number => {
  if (!(ttlMs > 0 && ttlMs <= Number.MAX_SAFE_INTEGER))
    throw new CaasError('INVALID_ARGUMENT', 'a time to live is positive', { details: { field: 'ttlMs' } });
  return Math.ceil(ttlMs);
};

/** Each set's members in the order of the entries. */
const membersByKey = (entries: readonly SetEntry[]): Map<string, string[]> => {
  const sets = new Map<string, string[]>();
  for (const { key, member } of entries) {
    const members = sets.get(key);
    if (members) members.push(member);
    else sets.set(key, [member]);
  }
  return sets;
};
