/** The services as processes of their own on real engines, with rates that a load generator does not meet. */
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { startEngines, startServices } from '@caas/infra';
import type { Usage } from '../lib/control.ts';
import { serve } from '../lib/serve.ts';

/** What the kernel counts CPU in, a second (USER_HZ: 100 on every Linux of today). */
const ticksPerSecond = 100;
const [pgrp, utime, stime] = [2, 11, 12];
const rates = String(1e6);
const profiles = process.env['BENCH_PROFILES'];
const profile = profiles ? { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profiles}` } : {};
const settings = {
  persistence: profile,
  gateway: { GATEWAY_TOKENS_PER_ADDRESS: rates, GATEWAY_TOKENS_PER_APP: rates, GATEWAY_REQUESTS_PER_ADDRESS: rates },
  socket: {
    SOCKET_SENDS_PER_SECOND: rates,
    SOCKET_SENDS_BURST: rates,
    SOCKET_FRAMES_PER_MINUTE: rates,
    SOCKET_DRAIN: '100',
    ...profile,
  },
};

const folder = join(import.meta.dirname, '../../.cache/bench');
await mkdir(folder, { recursive: true });
const dataDir = await mkdtemp(join(folder, 'engines-'));
const tell = (line: string): void => void process.stderr.write(`${line}\n`);
// Without OpenSearch there is no search: its reading of the stand-in for MongoDB would be most of what is measured.
const engines = await startEngines({
  dataDir,
  ports: 'free',
  fresh: true,
  only: ['kafka', 'redis', 'mongodb'],
  onLost: tell,
});
const services = await startServices({
  envOf: (service) => engines.envOf(service as 'socket'),
  dataDir: join(dataDir, 'services'),
  settings,
  onLost: tell,
});

/** CPU of each process group, seconds: an engine's program may be started by a script. */
const groupSeconds = (): Map<number, number> => {
  const seconds = new Map<number, number>();
  for (const id of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${id}/stat`, 'utf8');
      const fields = stat
        .slice(stat.lastIndexOf(')') + 2)
        .split(' ')
        .map(Number);
      const group = fields[pgrp] as number;
      const ticks = (fields[utime] as number) + (fields[stime] as number);
      seconds.set(group, (seconds.get(group) ?? 0) + ticks / ticksPerSecond);
    } catch {
      // It ended between the two reads.
    }
  }
  return seconds;
};

const usage = (): Usage => {
  const seconds = groupSeconds();
  const all = [...services.processes, ...engines.processes];
  const processes = Object.fromEntries(all.map(({ plan, pid }) => [plan.name, seconds.get(pid ?? 0) ?? 0]));
  const cpuSeconds = Object.values(processes).reduce((sum, each) => sum + each, 0);
  return { cpuSeconds, rssBytes: 0, heapBytes: 0, processes };
};

const info = {
  gatewayUrl: services.gatewayUrl,
  urls: services.socketUrls,
  app: await services.createApp('bench'),
  brokers: engines.env['KAFKA_BROKERS'],
};
serve(
  info,
  async () => {
    await services.stop();
    await engines.stop();
    await rm(dataDir, { recursive: true, force: true });
  },
  usage,
);
