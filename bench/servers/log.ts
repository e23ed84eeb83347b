/** The baseline of durability: the event log alone, appenders each waiting for its answer, no network, no service. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { openSqliteEventLog, Topic } from '@caas/event-log';
import { LatencyRecorder } from '../lib/latency.ts';
import { serve } from '../lib/serve.ts';

const appenders = Number(process.env['BENCH_APPENDERS']);
const conversations = Number(process.env['BENCH_CONVERSATIONS']);
const seconds = Number(process.env['BENCH_SECONDS']);
/** What a message of 200 bytes is as an event, ids and hash included, bytes. */
const recordBytes = 420;

const folder = join(import.meta.dirname, '../../.cache/bench');
await mkdir(folder, { recursive: true });
const dataDir = await mkdtemp(join(folder, 'log-'));
const log = await openSqliteEventLog({ file: join(dataDir, 'log.db') });
const latency = new LatencyRecorder();
const headers = {
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00',
  'content-type': 'application/x-protobuf; messageType=caas.events.v1.MessageSent',
  'tenant-id': 'tenant-of-the-bench',
};

let appended = 0;
let stopped = false;
const appendUntilStopped = async (appender: number): Promise<void> => {
  const key = `conversation-${appender % conversations}`;
  while (!stopped) {
    const startedAt = performance.now();
    await log.append([{ topic: Topic.messageSent, key, value: new Uint8Array(recordBytes), headers }]);
    latency.record(performance.now() - startedAt);
    appended++;
  }
};

const working = Array.from({ length: appenders }, (_, i) => appendUntilStopped(i));
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
await pause(1_000);
const from = { appended, cpu: process.cpuUsage(), at: performance.now() };
latency.reset();
await pause(seconds * 1_000);
const cpu = process.cpuUsage(from.cpu);
const elapsedSeconds = (performance.now() - from.at) / 1_000;
const measured = appended - from.appended;
const { p50Ms, p99Ms } = latency.summary();
stopped = true;
await Promise.all(working);
await log.close();
await rm(dataDir, { recursive: true, force: true });
serve(
  { perSecond: measured / elapsedSeconds, p50Ms, p99Ms, cpuSeconds: (cpu.user + cpu.system) / 1e6, measured },
  async () => undefined,
);
