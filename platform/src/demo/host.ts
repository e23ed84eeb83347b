import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TraceRecords } from '@caas/trace';
import { type Access, namedAccess } from './config.ts';
import { DemoError } from './demo-error.ts';

/** A platform to talk to, for as long as the demo takes. */
export interface Host {
  readonly access: Access;
  /** What to tell of it. */
  readonly told: string;
  /** What it keeps, where that is at hand. */
  readonly records?: TraceRecords;
  /** Does to it what nobody who talks may notice but by latency; resolves with what it did. Where there is such a thing. */
  disturb?(): Promise<string>;
  close(): Promise<void>;
}

/** How long a gateway may take to say that it lives, ms. */
const probeMs = 1_000;

/** The platform that runs; if none does, one of the demo's own, on free ports and data that is removed. */
export const findHost = async (): Promise<Host> => {
  const access = await namedAccess();
  if (access && (await lives(access.gatewayUrl)))
    return { access, told: `the platform at ${access.gatewayUrl}, from ${access.from}`, close: async () => undefined };
  if (access?.from === 'the environment')
    throw new DemoError(`nothing answers at CAAS_GATEWAY_URL=${access.gatewayUrl}`);
  return ownHost();
};

const lives = async (gatewayUrl: string): Promise<boolean> => {
  try {
    return (await fetch(`${gatewayUrl}/health/ready`, { signal: AbortSignal.timeout(probeMs) })).ok;
  } catch {
    return false;
  }
};

/** A platform of the demo's own, on free ports and data that is removed. */
export const ownHost = async (): Promise<Host> => {
  // Loaded only when needed: against a platform that runs, the demo is a client and nothing else.
  const [{ startPlatform }, { embeddedRecords }] = await Promise.all([
    import('../start.ts'),
    import('./embedded-records.ts'),
  ]);
  const dataDir = await mkdtemp(join(tmpdir(), 'caas-demo-'));
  // However the demo ends.
  process.once('exit', () => rmSync(dataDir, { recursive: true, force: true }));
  const kept = embeddedRecords();
  const platform = await startPlatform({
    ...kept.options,
    dataDir,
    host: '127.0.0.1',
    gatewayPort: 0,
    socketPorts: [0, 0],
    mediaPort: 0,
    authPort: 0,
    developmentApp: true,
    drainMs: 0,
    logLevel: 'debug',
  });
  const { records, close: closeRecords } = kept.of(platform);
  const stopping = new AbortController();
  const running = platform.run(stopping.signal);
  running.catch(() => undefined);
  const { appId, appSecret } = platform.app ?? { appId: '', appSecret: '' };
  return {
    access: { gatewayUrl: platform.gatewayUrl, appId, appSecret, from: 'the demo' },
    records,
    told: `none runs, so one of the demo's own at ${platform.gatewayUrl}; it is stopped and its data removed at the end`,
    async close() {
      closeRecords();
      stopping.abort();
      await running;
    },
  };
};
