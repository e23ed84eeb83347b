import { randomUUID } from 'node:crypto';
import { eventLogContract } from './contract.ts';
import { kafkaConnection, openPrefixed } from './testing/kafka.ts';

eventLogContract('the Kafka adapter', () =>
  openPrefixed(kafkaConnection(process.env['KAFKA_BROKERS']), `t-${randomUUID().slice(0, 8)}-`),
);
