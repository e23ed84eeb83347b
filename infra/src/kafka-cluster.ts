import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { EngineProcess } from './engine-process.ts';
import { kafka, newClusterId, planNode } from './engines/kafka.ts';
import { installEngines } from './install.ts';
import { freePorts } from './port-check.ts';

export interface ClusterOptions {
  brokers: number;
  /** An empty folder: data and logs. */
  dataDir: string;
  /** Where pinned versions are kept; default .cache/infra/engines. */
  cacheDir?: string;
  /** How long a broker that is killed may be unheard until others lead its partitions, in milliseconds. */
  sessionTimeoutMs: number;
}

export interface KafkaCluster {
  /** host:port of all. */
  readonly addresses: readonly string[];
  /** Broker 1 … n, each to be paused, stopped and killed but the first, which is the controller. */
  broker(id: number): EngineProcess;
  /** Kills all. */
  end(): Promise<void>;
}

/** Starts a Kafka cluster of several brokers on this machine, for tests of what happens when leaders fall. */
export const startKafkaCluster = async (options: ClusterOptions): Promise<KafkaCluster> => {
  const { brokers: count, sessionTimeoutMs } = options;
  const [dataDir, cacheDir] = [resolve(options.dataDir), resolve(options.cacheDir ?? '.cache/infra/engines')];
  await installEngines([kafka], cacheDir, { install: false, onProgress: () => undefined });
  const [controllerPort, ...ports] = (await freePorts(count + 1)) as [number, ...number[]];
  const clusterId = newClusterId();
  const properties = {
    'broker.session.timeout.ms': sessionTimeoutMs,
    'broker.heartbeat.interval.ms': Math.ceil(sessionTimeoutMs / 6),
  };
  const folders = { logs: join(dataDir, 'logs'), run: join(dataDir, 'run') };
  for (const folder of Object.values(folders)) await mkdir(folder, { recursive: true, mode: 0o700 });
  const plans = ports.map((port, index) => {
    const node = { id: index + 1, dataDir: join(dataDir, `${index + 1}`), port, controllerPort, clusterId, properties };
    return planNode(cacheDir, node, `kafka-${node.id}`);
  });
  const processes = (await Promise.all(plans)).map((plan) => new EngineProcess(plan, folders));
  const killNow = (): void => {
    for (const each of processes) each.killNow();
  };
  process.once('exit', killNow);
  const end = async (): Promise<void> => {
    await Promise.all(processes.map((each) => each.kill()));
    process.off('exit', killNow);
  };
  try {
    await Promise.all(processes.map((each) => each.start()));
  } catch (thrown) {
    await end();
    throw thrown;
  }
  return {
    addresses: ports.map((port) => `127.0.0.1:${port}`),
    broker(id) {
      const found = processes[id - 1];
      if (!found) throw new Error(`there is no broker ${id}`);
      return found;
    },
    end,
  };
};
