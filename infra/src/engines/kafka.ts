import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hasVersion, runCommand } from '../command.ts';
import type { Engine, Site } from '../engine.ts';

const version = '4.3.1';
const folder = join(import.meta.dirname, '../../kafka');
const home = (cacheDir: string): string => join(cacheDir, `kafka-${version}`);
const jars = (cacheDir: string): string => join(home(cacheDir), 'lib');
const copyPlugin = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';

/** Greatest heap of the broker. */
const heap = '-Xmx512m';
/** A third of the CPU of a start with the defaults of the JVM, together with the class archive. */
const jvm = [heap, '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC'];

const java = (cacheDir: string): string[] => [
  ...jvm,
  ...['-cp', `${jars(cacheDir)}/*`],
  `-Dlog4j2.configurationFile=${join(folder, 'log4j2.properties')}`,
];

/** One node, broker and controller in one (KRaft). */
const properties = ({ dataDir, ports, kafkaLinks }: Site): string =>
  Object.entries({
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@127.0.0.1:${ports['kafka-controller']}`,
    listeners: [
      `PLAINTEXT://127.0.0.1:${ports['kafka']}`,
      `CONTROLLER://127.0.0.1:${ports['kafka-controller']}`,
      ...kafkaLinks.map(({ name, port }) => `${name}://127.0.0.1:${port}`),
    ].join(','),
    'advertised.listeners': [
      `PLAINTEXT://127.0.0.1:${ports['kafka']}`,
      ...kafkaLinks.map(({ name, advertisedPort }) => `${name}://127.0.0.1:${advertisedPort}`),
    ].join(','),
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'listener.security.protocol.map': ['PLAINTEXT', 'CONTROLLER', ...kafkaLinks.map(({ name }) => name)]
      .map((name) => `${name}:PLAINTEXT`)
      .join(','),
    'log.dirs': join(dataDir, 'log'),
    'auto.create.topics.enable': false,
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'transaction.state.log.num.partitions': 4,
    'group.initial.rebalance.delay.ms': 0,
    'log.cleaner.dedupe.buffer.size': 8 * 1024 * 1024,
  })
    .map(([key, value]) => `${key}=${value}\n`)
    .join('');

/** Formats the data folder once; a folder that a crash left half-formatted is formatted anew. */
const format = async ({ cacheDir, dataDir }: Site, config: string): Promise<void> => {
  if (existsSync(join(dataDir, 'formatted'))) return;
  await rm(join(dataDir, 'log'), { recursive: true, force: true });
  const clusterId = randomBytes(16).toString('base64url').replace(/^-/, 'A');
  await runCommand('java', [...java(cacheDir), 'kafka.tools.StorageTool', 'format', '-t', clusterId, '-c', config]);
  await writeFile(join(dataDir, 'formatted'), '');
};

/** The archive of loaded classes, which holds for one JVM: made by the first broker that stops in good order. */
const classArchive = async (cacheDir: string): Promise<string> => {
  const jvmVersion = createHash('sha256').update(await runCommand('java', ['-version']));
  return join(home(cacheDir), `${jvmVersion.digest('hex').slice(0, 16)}.jsa`);
};

const plan: Engine['plan'] = async (site) => {
  await mkdir(site.dataDir, { recursive: true });
  const config = join(site.dataDir, 'server.properties');
  await writeFile(config, properties(site));
  await format(site, config);
  const archive = await classArchive(site.cacheDir);
  const draft = `${archive}.${process.pid}`;
  const sharing = existsSync(archive) ? `-XX:SharedArchiveFile=${archive}` : `-XX:ArchiveClassesAtExit=${draft}`;
  return [
    {
      name: 'kafka',
      about: `Kafka ${version}, one node: the event log`,
      port: site.ports['kafka'] as number,
      command: ['java', sharing, ...java(site.cacheDir), 'kafka.Kafka', config],
      isReady: (log) => log.includes('Kafka Server started'),
      stopped: async () => {
        if (existsSync(draft)) await rename(draft, archive);
      },
    },
  ];
};

export const kafka: Engine = {
  name: 'kafka',
  users: ['admin', 'socket', 'persistence', 'compliance', 'search'],
  ports: { kafka: 9_092, 'kafka-controller': 9_093 },
  tools: [
    {
      what: 'java 17 or later',
      debian: 'openjdk-17-jre-headless',
      isThere: () => hasVersion('java', ['-version'], { from: 17 }),
    },
    {
      what: 'mvn (Maven)',
      debian: 'maven',
      onlyToInstall: true,
      isThere: () => hasVersion('mvn', ['--version'], { from: 3 }),
    },
  ],
  isInstalled: async (cacheDir) => existsSync(jars(cacheDir)),
  async install(cacheDir) {
    const draft = join(home(cacheDir), 'draft');
    await rm(draft, { recursive: true, force: true });
    const where = ['-DincludeScope=runtime', `-DoutputDirectory=${draft}`];
    await runCommand('mvn', ['-B', '-q', '-f', join(folder, 'pom.xml'), copyPlugin, ...where]);
    await rename(draft, jars(cacheDir));
  },
  plan,
  async prepare({ ports }) {
    const { checkTopics } = await import('@caas/event-log/kafka');
    const connection = { brokers: [`127.0.0.1:${ports['kafka']}`] };
    const durability = { replicationFactor: 1, minInSyncReplicas: 1 };
    await checkTopics({ connection, prefix: '', grown: {}, durability, tell: () => undefined }, false);
  },
  // One broker holds one copy.
  env: async ({ ports }) => ({
    KAFKA_BROKERS: `127.0.0.1:${ports['kafka']}`,
    KAFKA_REPLICATION_FACTOR: '1',
    KAFKA_MIN_IN_SYNC_REPLICAS: '1',
  }),
};
