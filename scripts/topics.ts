/**
 * Creates the topics of the one table on a Kafka cluster and tells where the cluster differs from it:
 * `npm run topics [-- --check] [-- --grow message.sent=12 [--drain-seconds 60]]`. Ends with 1 when something differs.
 */
import { parseArgs } from 'node:util';
import { checkTopics, growTopicTo, type KafkaOptions, partitionsOf, topicsConfig } from '@caas/event-log/kafka';
import { runMain } from '@caas/kit';

const { values } = parseArgs({
  options: {
    check: { type: 'boolean', default: false },
    grow: { type: 'string' },
    'drain-seconds': { type: 'string', default: '60' },
  },
});
const tell = (line: string): void => void process.stdout.write(`${line}\n`);

type Options = KafkaOptions & { tell: typeof tell };

const grow = async (options: Options, wanted: string): Promise<void> => {
  const [name, partitions] = Object.entries(partitionsOf([wanted]))[0] as [string, number];
  await growTopicTo(options, name, partitions, Number(values['drain-seconds']) * 1_000);
  const all = Object.entries({ ...options.grown, [name]: partitions });
  const setting = all.map((entry) => entry.join('=')).join(',');
  tell(`restart every service with KAFKA_TOPIC_PARTITIONS=${setting}, consumers first`);
};

await runMain(async () => {
  const options = { ...topicsConfig(), tell };
  try {
    if (values.grow !== undefined) await grow(options, values.grow);
    else if (await checkTopics(options, values.check)) tell('the cluster is as the table says');
    else throw new Error('the cluster differs from the table; nothing that exists was changed');
  } catch (thrown) {
    tell(String(thrown));
    process.exit(1);
  }
});
