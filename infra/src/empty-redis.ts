import { Redis } from 'ioredis';

/** How long one Redis may take, in milliseconds. */
const timeoutMs = 2_000;

/** FLUSHALL on every Redis that the variables name (REDIS_<NAME>_URL, as the administrator), at once; how many keys there were. */
export const emptyRedis = async (env: Readonly<Record<string, string | undefined>>): Promise<number> => {
  const urls = Object.entries(env).filter(([name]) => /^REDIS_\w+_URL$/.test(name));
  const counts = await Promise.all(urls.map(([, url]) => emptyOne(url as string)));
  return counts.reduce((sum, count) => sum + count, 0);
};

const emptyOne = async (url: string): Promise<number> => {
  const redis = new Redis(url, {
    lazyConnect: true,
    retryStrategy: () => null,
    connectTimeout: timeoutMs,
    commandTimeout: timeoutMs,
  });
  redis.on('error', () => undefined); // the commands say it
  try {
    const count = await redis.dbsize();
    await redis.flushall();
    return count;
  } finally {
    redis.disconnect();
  }
};
