/** What the tests against a real Kafka share. */
import type { OpenLog } from '../contract.ts';
import type { KafkaConnection } from '../kafka/connection.ts';
import { KafkaLayout } from '../kafka/layout.ts';
import { createMissing, withAdmin } from '../kafka/topics-admin.ts';
import { type KafkaEventLog, type KafkaEventLogOptions, openKafkaEventLog } from '../kafka-event-log.ts';
import { allTopics } from '../topics.ts';

/** @param brokers the variable KAFKA_BROKERS. */
export const kafkaConnection = (brokers: string | undefined): KafkaConnection => {
  if (!brokers) throw new Error('KAFKA_BROKERS names no broker; npm run test:engines starts one and sets it');
  return { brokers: brokers.split(','), connectTimeoutMs: 1_000, requestTimeoutMs: 3_000 };
};

/** Topics of one replica, as a lone broker can have them. */
export const loneBroker = { replicationFactor: 1, minInSyncReplicas: 1 };

/** Faults that the tests cause on purpose go here. */
const ignoreFaults = (): void => undefined;

/** An empty log under a prefix of its own. */
export const openPrefixed = async (
  connection: KafkaConnection,
  prefix: string,
  changes: Partial<KafkaEventLogOptions> = {},
): Promise<OpenLog & { log: KafkaEventLog }> => {
  const { all } = new KafkaLayout(allTopics, prefix, {});
  await withAdmin(connection, (admin) => createMissing(connection, admin, all, loneBroker));
  const options = { connection, prefix, heartbeatMs: 100, onFault: ignoreFaults, ...changes };
  let log = await openKafkaEventLog(options);
  return {
    log,
    reopen: async (further = {}) => {
      await log.close();
      log = await openKafkaEventLog({ ...options, ...further });
      return log;
    },
    close: async () => {
      await log.close();
      await withAdmin(connection, (admin) => admin.deleteTopics({ topics: all.map(({ physical }) => physical) }));
    },
  };
};
