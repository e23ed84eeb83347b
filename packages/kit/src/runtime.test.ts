import { spawn } from 'node:child_process';
import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { CaasError } from './errors.ts';
import { type Runnable, runAll } from './lifecycle.ts';
import { retrying, retryWaitMs } from './retry.ts';
import {
  address,
  bytes,
  ConfigError,
  count,
  flag,
  list,
  loadConfig,
  milliseconds,
  oneOf,
  port,
  secret,
  text,
  url,
} from './settings.ts';

describe('settings', () => {
  const schema = z.object({
    PORT: port().default(3000),
    SOCKET_URLS: list(url('ws', 'wss')).default([]),
    TOKEN_TTL_MS: milliseconds({ min: 1_000 }),
    MAX_FRAME_BYTES: bytes({ max: 1_048_576 }),
    TRACE: flag().default(false),
    ADAPTER: oneOf('sqlite', 'kafka'),
    SIGNING_KEY: secret(16),
    AUTH_ADDRESS: address(),
    SHARDS: count({ min: 1, max: 64 }),
    NAME: text().optional(),
  });
  const good = {
    TOKEN_TTL_MS: '15m',
    MAX_FRAME_BYTES: '64KiB',
    ADAPTER: 'kafka',
    SIGNING_KEY: 'correct horse battery',
    AUTH_ADDRESS: '127.0.0.1:50051',
    SHARDS: '4',
  };

  test('good settings are read with their units and defaults; an empty variable counts as not set', () => {
    expect(loadConfig('auth', schema, { ...good, PORT: '', SOCKET_URLS: 'ws://a:1/, wss://b', TRACE: 'on' })).toEqual({
      PORT: 3000,
      SOCKET_URLS: ['ws://a:1', 'wss://b'],
      TOKEN_TTL_MS: 900_000,
      MAX_FRAME_BYTES: 65_536,
      TRACE: true,
      ADAPTER: 'kafka',
      SIGNING_KEY: 'correct horse battery',
      AUTH_ADDRESS: '127.0.0.1:50051',
      SHARDS: 4,
    });
  });

  test('one error names every setting that is wrong and what was expected', () => {
    const load = () =>
      loadConfig('auth', schema, {
        ...good,
        PORT: '70000',
        SOCKET_URLS: 'ws://ok,http://no',
        TOKEN_TTL_MS: '5 minutes',
        MAX_FRAME_BYTES: '2MiB',
        ADAPTER: 'redis',
        AUTH_ADDRESS: 'auth',
        SHARDS: '0',
        SIGNING_KEY: undefined,
      });
    expect(load).toThrow(ConfigError);
    const message = (() => {
      try {
        return String(load());
      } catch (error) {
        return (error as Error).message;
      }
    })();
    expect(message.split('\n')[0]).toBe('auth cannot start, its settings are wrong:');
    for (const line of [
      '  PORT: a port from 0 to 65535 expected, got "70000"',
      '  SOCKET_URLS: entry 2: a URL with ws:// or wss:// expected',
      '  TOKEN_TTL_MS: a duration of at least 1000 ms (as 250, 250ms, 5s, 15m, 1h or 30d) expected, got "5 minutes"',
      '  MAX_FRAME_BYTES: a size from 0 to 1048576 bytes (as 65536, 64KiB, 1MiB or 2GiB) expected, got "2MiB"',
      '  ADAPTER: one of sqlite, kafka expected, got "redis"',
      '  AUTH_ADDRESS: host:port expected, got "auth"',
      '  SHARDS: a whole number from 1 to 64 expected, got "0"',
      '  SIGNING_KEY: a secret of at least 16 bytes expected, but it is not set',
    ]) {
      expect(message).toContain(line);
    }
    expect(message.split('\n')).toHaveLength(9);
  });

  test('no error quotes a secret or a URL with its password', () => {
    const bad = { ...good, SIGNING_KEY: 'hunter2', SOCKET_URLS: 'redis://user:hunter3@host' };
    expect(() => loadConfig('auth', schema, bad)).toThrow(
      expect.objectContaining({ message: expect.not.stringMatching(/hunter/) }),
    );
  });
});

describe('runAll', () => {
  const untilAborted = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });

  test('runs until the signal and waits for what each still has to finish', async () => {
    const done: string[] = [];
    const one = (name: string): Runnable => ({
      async run(signal) {
        await untilAborted(signal);
        await new Promise((resolve) => setImmediate(resolve));
        done.push(name);
      },
    });
    const controller = new AbortController();
    const running = runAll([one('a'), one('b')], controller.signal);
    controller.abort();
    await running;
    expect(done.sort()).toEqual(['a', 'b']);
  });

  test('one that returns is done and the others go on; one that fails stops the others and its fault is thrown', async () => {
    const seen: string[] = [];
    let breakIt: (error: Error) => void = () => undefined;
    const running = runAll(
      [
        { run: async () => void seen.push('returned') },
        { run: (signal) => untilAborted(signal).then(() => void seen.push('stopped')) },
        { run: () => new Promise((_, reject) => (breakIt = reject)) },
      ],
      new AbortController().signal,
    );
    await new Promise((resolve) => setImmediate(resolve));
    expect(seen).toEqual(['returned']);
    breakIt(new Error('log is full'));
    await expect(running).rejects.toThrow('log is full');
    expect(seen).toEqual(['returned', 'stopped']);
  });

  test('what does not stop within the drain time is named', async () => {
    const stuck: Runnable = { name: 'persistence', run: () => new Promise(() => undefined) };
    await expect(runAll([stuck], AbortSignal.abort(), { drainMs: 5 })).rejects.toThrow(
      'not stopped within 5 ms: persistence',
    );
  });
});

describe('the process', () => {
  const run = (code: string, kit = `import * as kit from '@caas/kit';`) => {
    const args = ['-C', '@caas/source', '--input-type=module-typescript', '-e', `${kit}${code}`];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
    let output = '';
    let heard: () => void = () => undefined;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk) => {
        output += chunk;
        heard();
      });
    }
    return {
      child,
      says: async (words: string): Promise<void> => {
        while (!output.includes(words)) await new Promise<void>((resolve) => (heard = resolve));
      },
      ended: new Promise<{ code: number | null; output: string }>((resolve) =>
        child.on('close', (code) => resolve({ code, output })),
      ),
    };
  };

  test('the first signal stops it cleanly, and its echo changes nothing', async () => {
    const { child, says, ended } = run(`await kit.runMain(async (signal) => {
      const alive = setInterval(() => undefined, 1000);
      console.log('ready');
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      console.log('stopping');
      await new Promise((resolve) => process.once('message', resolve));
      clearInterval(alive);
      process.disconnect();
      console.log('stopped');
    });`);
    await says('ready');
    child.kill('SIGTERM');
    await says('stopping');
    // A terminal's Ctrl-C and what npm passes on are one.
    child.kill('SIGINT');
    child.send('go on');
    expect(await ended).toEqual({ code: 0, output: 'ready\nstopping\nstopped\n' });
  });

  test('the second signal ends a stop that hangs, with code 130', async () => {
    const { child, says, ended } = run(`await kit.runMain(async (signal) => {
      setInterval(() => undefined, 1000);
      signal.addEventListener('abort', () => console.log('stopping'));
      console.log('ready');
      await new Promise(() => undefined);
    });`);
    await says('ready');
    child.kill('SIGINT');
    await says('stopping');
    const again = setInterval(() => child.kill('SIGINT'), 50);
    expect((await ended).code).toBe(130);
    clearInterval(again);
  });

  test('wrong settings end it with a plain message and code 78, a fault with its stack and code 1', async () => {
    const wrong = run(`await kit.runMain(async () => { throw new kit.ConfigError('PORT: a port expected'); });`);
    expect(await wrong.ended).toEqual({ code: 78, output: 'PORT: a port expected\n' });
    const broken = run(`await kit.runMain(async () => { throw new Error('broken'); });`);
    const { code, output } = await broken.ended;
    expect(code).toBe(1);
    expect(output).toMatch(/Error: broken\n\s+at /);
  });

  test('importing the kit loads neither gRPC nor the logger nor zod, so worker threads start fast', async () => {
    const { ended } = run(
      `import { registerHooks } from 'node:module';
      const heavy = [];
      registerHooks({ resolve: (specifier, context, next) => {
        if (/^(@grpc|pino|zod|cockatiel)/.test(specifier)) heavy.push(specifier);
        return next(specifier, context);
      } });
      const { CaasError } = await import('@caas/kit');
      console.log(typeof CaasError, heavy.length);
      await import('@caas/kit/log');
      console.log(heavy[0]);`,
      '',
    );
    expect(await ended).toEqual({ code: 0, output: 'function 0\npino\n' });
  });
});

describe('retrying', () => {
  const quick = { maxAttempts: 4, baseMs: 1, capMs: 2 };
  const busy = () => new CaasError('UNAVAILABLE', 'busy', { retryAfterMs: 1 });

  test('goes on until it succeeds, telling each wait', async () => {
    const told: number[] = [];
    const options = { ...quick, onRetry: ({ attempt }: { attempt: number }) => void told.push(attempt) };
    const result = await retrying('test', options, async (number) => {
      if (number < 3) throw busy();
      return number;
    });
    expect(result).toBe(3);
    expect(told).toEqual([1, 2]);
  });

  test('throws the last error when the attempts are used up, and at once what is not worth retrying', async () => {
    let attempts = 0;
    const failing = (error: () => Error) =>
      retrying('test', quick, async () => {
        attempts++;
        throw error();
      });
    await expect(failing(busy)).rejects.toThrow('busy');
    expect(attempts).toBe(4);
    attempts = 0;
    await expect(failing(() => new CaasError('NOT_FOUND', 'gone'))).rejects.toThrow('gone');
    await expect(failing(() => new Error('a fault'))).rejects.toThrow('a fault');
    expect(attempts).toBe(2);
  });

  test('an abort ends even a long wait with the signal’s reason', async () => {
    const controller = new AbortController();
    const options = {
      maxAttempts: 2,
      baseMs: 1,
      capMs: 3_600_000,
      onRetry: () => void setImmediate(() => controller.abort(new Error('enough'))),
    };
    const hourLater = () => new CaasError('RATE_LIMITED', 'later', { retryAfterMs: 3_600_000 });
    const retried = retrying('test', options, () => Promise.reject(hourLater()), controller.signal);
    await expect(retried).rejects.toThrow('enough');
  });

  test('waits are spread from nothing to a bound that doubles up to the cap; an error’s own hint is kept', () => {
    const limits = { baseMs: 100, capMs: 1_000 };
    for (let round = 0; round < 200; round++) {
      expect(retryWaitMs(1, new Error(), limits)).toBeLessThanOrEqual(100);
      expect(retryWaitMs(3, new Error(), limits)).toBeLessThanOrEqual(400);
      expect(retryWaitMs(30, new Error(), limits)).toBeLessThanOrEqual(1_000);
      const hinted = retryWaitMs(1, new CaasError('RATE_LIMITED', 'slow down', { retryAfterMs: 500 }), limits);
      expect(hinted).toBeGreaterThanOrEqual(500);
      expect(hinted).toBeLessThanOrEqual(550);
    }
  });
});
