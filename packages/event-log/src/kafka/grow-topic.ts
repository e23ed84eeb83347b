/**
 * Growing a topic moves keys to other partitions. So that a key's records stay in order, everything before the growth has to
 * be consumed, by every group, before anything after it is written: the topic is closed to writers, drained, grown, and
 * opened again when every running process has noticed. The brokers close it: no batch is as small as `max.message.bytes`
 * then demands, so they refuse every append, whoever makes it. (They don't with a `min.insync.replicas` that can't be met:
 * it counts as no more than there are replicas.)
 */
import { setTimeout as sleep } from 'node:timers/promises';
import kafkajs, { type Admin } from 'kafkajs';
import type { KafkaConnection } from './connection.ts';
import { defaultRequestTimeoutMs } from './connection.ts';
import type { KafkaTopic } from './layout.ts';
import { maxLayoutAgeMs } from './producer.ts';
import { type Durability, entriesOf, settingsOf, untilLed } from './topics-admin.ts';

export interface Growth {
  /** The topic as it is to be. */
  topic: KafkaTopic;
  durability: Durability;
  /** Groups whose names begin so are waited for. */
  groupPrefix: string;
  /** Longest the groups may take to drain it, in milliseconds; after that it is opened again as it was. */
  drainTimeoutMs: number;
  /** Told at each step. */
  tell(step: string): void;
}

const pollMs = 500;

/**
 * Grows a topic. Rejects, with the topic as it was and open, when the groups do not drain it in time. One that was broken off
 * is gone on with: a topic that has its partitions already is only opened.
 */
export const growTopic = async (connection: KafkaConnection, admin: Admin, growth: Growth): Promise<void> => {
  const { topic, durability, tell } = growth;
  const { physical, partitions } = topic;
  const before = await admin.fetchTopicMetadata({ topics: [physical] });
  const had = before.topics[0]?.partitions.length ?? 0;
  if (partitions < had) throw new Error(`${physical} has ${had} partitions already, and can't shrink`);
  const { [sizeLimit]: limit } = await ownSettings(admin, topic);
  const isOpen = limit !== closedLimit;
  if (isOpen && had === partitions) return tell(`${physical} has ${had} partitions already, and is open to writers`);
  tell(isOpen ? `closing ${physical} to writers` : `${physical} was left closed to writers; going on from there`);
  if (isOpen) await setLimit(admin, topic, closedLimit);
  try {
    if (had < partitions) {
      await drained(admin, growth);
      tell(`drained; growing from ${had} to ${partitions} partitions`);
      await admin.createPartitions({ topicPartitions: [{ topic: physical, count: partitions }] });
    }
    await untilLed(connection, [topic]);
    tell('waiting until every running process has noticed');
    await sleep(maxLayoutAgeMs + (connection.requestTimeoutMs ?? defaultRequestTimeoutMs));
  } finally {
    await setLimit(admin, topic, isOpen ? limit : settingsOf(topic, durability)[sizeLimit]);
    tell(`${physical} is open to writers`);
  }
};

const sizeLimit = 'max.message.bytes';
const closedLimit = '1';

/** What a topic itself is set to; the rest is the brokers'. */
const ownSettings = async (admin: Admin, { physical }: KafkaTopic): Promise<Record<string, string>> => {
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: physical }],
  });
  const entries = resources[0]?.configEntries ?? [];
  const own = entries.filter(({ configSource }) => configSource === kafkajs.ConfigSource.TOPIC_CONFIG);
  return Object.fromEntries(own.map(({ configName, configValue }) => [configName, configValue]));
};

/** AlterConfigs replaces all settings of a topic, so all that it has, an operator's too, are given. */
const setLimit = async (admin: Admin, topic: KafkaTopic, limit: string | undefined): Promise<void> => {
  const { [sizeLimit]: _, ...others } = await ownSettings(admin, topic);
  const configEntries = entriesOf({ ...others, ...(limit !== undefined && { [sizeLimit]: limit }) });
  const resource = { type: kafkajs.ConfigResourceTypes.TOPIC, name: topic.physical, configEntries };
  await admin.alterConfigs({ validateOnly: false, resources: [resource] });
};

/** Resolves when no group has anything left of the topic, and its ends stand still. */
const drained = async (admin: Admin, { topic, groupPrefix, drainTimeoutMs, tell }: Growth): Promise<void> => {
  const deadlineMs = performance.now() + drainTimeoutMs;
  let last = '';
  let told = '';
  for (;;) {
    const ends = await admin.fetchTopicOffsets(topic.physical);
    const behind = await groupsBehind(admin, topic.physical, groupPrefix, ends);
    const now = JSON.stringify(ends.map(({ high }) => high));
    if (behind.length === 0 && now === last) return;
    last = now;
    const waiting = behind.join(', ');
    if (waiting !== told && waiting !== '') tell(`waiting for ${waiting}`);
    told = waiting;
    if (performance.now() > deadlineMs) throw new Error(`not drained in ${drainTimeoutMs} ms: ${waiting}`);
    await sleep(pollMs);
  }
};

const groupsBehind = async (
  admin: Admin,
  topic: string,
  prefix: string,
  ends: readonly { partition: number; high: string }[],
): Promise<string[]> => {
  const { groups } = await admin.listGroups();
  const behind: string[] = [];
  for (const { groupId } of groups) {
    if (!groupId.startsWith(prefix)) continue;
    const [offsets] = await admin.fetchOffsets({ groupId, topics: [topic] });
    const has = (offsets?.partitions ?? []).filter(({ offset }) => Number(offset) >= 0);
    const lag = has.reduce((sum, { partition, offset }) => {
      const end = ends.find((e) => e.partition === partition);
      return sum + Number(end?.high ?? 0) - Number(offset);
    }, 0);
    if (lag > 0) behind.push(`${groupId} (${lag} records)`);
  }
  return behind;
};
