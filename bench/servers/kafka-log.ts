/** Callers that each wait for their answer: from the event log on Kafka, or from kafkajs with batches and nothing more. */
import { randomUUID } from 'node:crypto';
import { Topic } from '@caas/event-log';
import { checkTopics, openKafkaEventLog } from '@caas/event-log/kafka';
import kafkajs from 'kafkajs';
import { LatencyRecorder } from '../lib/latency.ts';
import { serve } from '../lib/serve.ts';

const side = process.env['BENCH_SIDE'];
const callers = Number(process.env['BENCH_CALLERS']);
const seconds = Number(process.env['BENCH_SECONDS']);
const brokers = (process.env['KAFKA_BROKERS'] ?? '').split(',');
const valueBytes = Number(process.env['BENCH_VALUE_BYTES'] ?? 200);
const conversations = 64;
/** The baseline's batches: what one turn brings, 500 messages at most, so many on their way. */
const batch = { maxMessages: 500, inFlight: 5 };

const prefix = `bench-${randomUUID().slice(0, 8)}-`;
const durability = { replicationFactor: 1, minInSyncReplicas: 1 };
await checkTopics({ connection: { brokers }, prefix, grown: {}, durability, tell: () => undefined }, false);
const kafka = new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.NOTHING });

interface Side {
  append(key: string, value: Buffer): Promise<unknown>;
  close(): Promise<void>;
}

const openLog = async (): Promise<Side> => {
  const log = await openKafkaEventLog({ connection: { brokers }, prefix });
  return {
    append: (key, value) => log.append([{ topic: Topic.messageSent, key, value, headers: {} }]),
    close: () => log.close(),
  };
};

const openBare = async (): Promise<Side> => {
  const producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
  await producer.connect();
  const waiting: { key: string; value: Buffer; resolve(): void }[] = [];
  let inFlight = 0;
  let scheduled = false;
  const flush = async (): Promise<void> => {
    scheduled = false;
    if (waiting.length === 0 || inFlight >= batch.inFlight) return;
    const messages = waiting.splice(0, batch.maxMessages);
    inFlight += 1;
    await producer.sendBatch({ topicMessages: [{ topic: prefix + Topic.messageSent, messages }], acks: -1 });
    inFlight -= 1;
    for (const { resolve } of messages) resolve();
    schedule();
  };
  const schedule = (): void => {
    if (!scheduled) setImmediate(() => void flush());
    scheduled = true;
  };
  return {
    append: (key, value) =>
      new Promise<void>((resolve) => {
        waiting.push({ key, value, resolve });
        schedule();
      }),
    close: () => producer.disconnect(),
  };
};

const { append, close } = await (side === 'log' ? openLog() : openBare());
const latency = new LatencyRecorder();
let appended = 0;
let stopped = false;
const appendUntilStopped = async (caller: number): Promise<void> => {
  const key = `conversation-${caller % conversations}`;
  while (!stopped) {
    const startedAt = performance.now();
    await append(key, Buffer.alloc(valueBytes));
    latency.record(performance.now() - startedAt);
    appended++;
  }
};

const working = Array.from({ length: callers }, (_, i) => appendUntilStopped(i));
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
await pause(1_500);
const from = { appended, cpu: process.cpuUsage(), at: performance.now() };
latency.reset();
await pause(seconds * 1_000);
const cpu = process.cpuUsage(from.cpu);
const elapsedSeconds = (performance.now() - from.at) / 1_000;
const measured = appended - from.appended;
const { p50Ms, p99Ms } = latency.summary();
stopped = true;
await Promise.all(working);
await close();
const admin = kafka.admin();
await admin.connect();
await admin.deleteTopics({ topics: (await admin.listTopics()).filter((name) => name.startsWith(prefix)) });
await admin.disconnect();
serve(
  { perSecond: measured / elapsedSeconds, p50Ms, p99Ms, cpuSeconds: (cpu.user + cpu.system) / 1e6, measured },
  async () => undefined,
);
