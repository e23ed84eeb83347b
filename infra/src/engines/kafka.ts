import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hasVersion, runCommand } from '../command.ts';
import type { Engine, KafkaLink, ProcessPlan } from '../engine.ts';

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

/** A node of a cluster. Every node is a broker; the first is the controller, too (KRaft). */
export interface KafkaNode {
  id: number;
  dataDir: string;
  port: number;
  /** Of the first node. */
  controllerPort: number;
  /** Of all nodes the same; default: a new one. */
  clusterId?: string;
  /** Further listeners. */
  links?: readonly KafkaLink[];
  /** More than the usual properties, or others. */
  properties?: Readonly<Record<string, string | number>>;
}

export const newClusterId = (): string => randomBytes(16).toString('base64url').replace(/^-/, 'A');

const propertiesOf = ({ id, dataDir, port, controllerPort, links = [], properties }: KafkaNode): string => {
  const controls = id === 1;
  return Object.entries({
    'process.roles': controls ? 'broker,controller' : 'broker',
    'node.id': id,
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    listeners: [
      `PLAINTEXT://127.0.0.1:${port}`,
      ...(controls ? [`CONTROLLER://127.0.0.1:${controllerPort}`] : []),
      ...links.map((link) => `${link.name}://127.0.0.1:${link.port}`),
    ].join(','),
    'advertised.listeners': [
      `PLAINTEXT://127.0.0.1:${port}`,
      ...links.map(({ name, advertisedPort }) => `${name}://127.0.0.1:${advertisedPort}`),
    ].join(','),
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'listener.security.protocol.map': ['PLAINTEXT', 'CONTROLLER', ...links.map(({ name }) => name)]
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
    ...properties,
  })
    .map(([key, value]) => `${key}=${value}\n`)
    .join('');
};

/** Formats the data folder once; a folder that a crash left half-formatted is formatted anew. */
const format = async (cacheDir: string, { dataDir, clusterId = newClusterId() }: KafkaNode, config: string) => {
  if (existsSync(join(dataDir, 'formatted'))) return;
  await rm(join(dataDir, 'log'), { recursive: true, force: true });
  await runCommand('java', [...java(cacheDir), 'kafka.tools.StorageTool', 'format', '-t', clusterId, '-c', config]);
  await writeFile(join(dataDir, 'formatted'), '');
};

/** The archive of loaded classes, which holds for one JVM: made by the first broker that stops in good order. */
const classArchive = async (cacheDir: string): Promise<string> => {
  const jvmVersion = createHash('sha256').update(await runCommand('java', ['-version']));
  return join(home(cacheDir), `${jvmVersion.digest('hex').slice(0, 16)}.jsa`);
};

/** Makes a node's folder ready to start on, and says how it is started. */
export const planNode = async (cacheDir: string, node: KafkaNode, name: string): Promise<ProcessPlan> => {
  await mkdir(node.dataDir, { recursive: true });
  const config = join(node.dataDir, 'server.properties');
  await writeFile(config, propertiesOf(node));
  await format(cacheDir, node, config);
  const archive = await classArchive(cacheDir);
  const draft = `${archive}.${process.pid}.${node.id}`;
  const sharing = existsSync(archive) ? `-XX:SharedArchiveFile=${archive}` : `-XX:ArchiveClassesAtExit=${draft}`;
  return {
    name,
    about: `Kafka ${version}, one node: the event log`,
    port: node.port,
    command: ['java', sharing, ...java(cacheDir), 'kafka.Kafka', config],
    isReady: (log) => log.includes('Kafka Server started'),
    stopped: async () => {
      if (existsSync(draft)) await rename(draft, archive);
    },
  };
};

const plan: Engine['plan'] = async ({ cacheDir, dataDir, ports, kafkaLinks: links }) => {
  const [port, controllerPort] = [ports['kafka'] as number, ports['kafka-controller'] as number];
  const node = { id: 1, dataDir, port, controllerPort, links };
  return [await planNode(cacheDir, node, 'kafka')];
};

export const kafka: Engine = {
  name: 'kafka',
  users: ['admin', 'auth', 'socket', 'persistence', 'compliance', 'search'],
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
