/** Topics of a Kafka cluster, kept by the one table: what `npm run topics` does. */
import type { KafkaOptions } from './config.ts';
import { growTopic } from './kafka/grow-topic.ts';
import { KafkaLayout } from './kafka/layout.ts';
import { createMissing, differences, withAdmin } from './kafka/topics-admin.ts';
import { allTopics } from './topics.ts';

export interface TopicsOptions extends KafkaOptions {
  tell(line: string): void;
}

/** Creates what is missing, unless only to check, and tells every difference that is left; true: there is none. */
export const checkTopics = (options: TopicsOptions, onlyCheck: boolean): Promise<boolean> => {
  const { connection, prefix, grown, durability, tell } = options;
  const { all } = new KafkaLayout(allTopics, prefix, grown);
  return withAdmin(connection, async (admin) => {
    if (!onlyCheck) for (const name of await createMissing(connection, admin, all, durability)) tell(`created ${name}`);
    const found = await differences(admin, all, durability);
    for (const difference of found) tell(difference);
    return found.length === 0;
  });
};

/** Grows a topic to `partitions`; see kafka/grow-topic.ts. */
export const growTopicTo = (
  options: TopicsOptions,
  name: string,
  partitions: number,
  drainTimeoutMs: number,
): Promise<void> => {
  const { connection, prefix, grown, durability, tell } = options;
  const topic = new KafkaLayout(allTopics, prefix, { ...grown, [name]: partitions }).of(name);
  return withAdmin(connection, (admin) =>
    growTopic(connection, admin, { topic, durability, groupPrefix: prefix, drainTimeoutMs, tell }),
  );
};
