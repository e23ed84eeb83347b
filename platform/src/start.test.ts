import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EventLog } from '@caas/event-log';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type PlatformOptions, startPlatform } from './start.ts';

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'caas-start-'));
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

const optionsFor = (dir: string): PlatformOptions => ({
  dataDir: dir,
  host: '127.0.0.1',
  gatewayPort: 0,
  socketPorts: [0, 0],
  mediaPort: 0,
  authPort: 0,
  developmentApp: true,
  drainMs: 50,
  logLevel: 'silent',
});

test('when one service fails the others end in good order, and the fault is told', async () => {
  const fault = new Error('the log is broken');
  const withoutGroups = (log: EventLog): EventLog =>
    new Proxy(log, {
      get(target, name: keyof EventLog) {
        if (name === 'subscribe')
          return () => {
            throw fault;
          };
        const value = target[name];
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  const platform = await startPlatform({
    ...optionsFor(dataDir),
    between: (engines) => ({ ...engines, log: withoutGroups(engines.log) }),
  });
  await expect(platform.run(new AbortController().signal)).rejects.toBe(fault);
  for (const url of [platform.gatewayUrl, ...platform.socketUrls.map((each) => each.replace('ws', 'http'))])
    await expect(fetch(`${url}/health/live`)).rejects.toThrow('fetch failed');
  // Its files are closed: another may have them.
  const again = await startPlatform(optionsFor(dataDir));
  const stop = new AbortController();
  const running = again.run(stop.signal);
  stop.abort();
  await running;
});
