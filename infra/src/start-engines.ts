import { mkdir, readdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ConfigError } from '@caas/kit';
import { replaceWhole } from '@caas/kit/files';
import { type Engine, type EngineUser, engineUsers, type KafkaLink, type Site } from './engine.ts';
import { EngineProcess, endOrphan } from './engine-process.ts';
import { clamd } from './engines/clamd.ts';
import { kafka } from './engines/kafka.ts';
import { mongodb } from './engines/mongodb.ts';
import { opensearch } from './engines/opensearch.ts';
import { redis } from './engines/redis.ts';
import { s3 } from './engines/s3.ts';
import { toxiproxy } from './engines/toxiproxy.ts';
import { installEngines } from './install.ts';
import { tryLock } from './lock.ts';
import { freePorts, isFree } from './port-check.ts';
import { envText, secretsIn } from './secrets.ts';

const allEngines: Readonly<
  Record<'kafka' | 'redis' | 'mongodb' | 'toxiproxy' | 'opensearch' | 's3' | 'clamd', Engine>
> = {
  kafka,
  redis,
  mongodb,
  toxiproxy,
  opensearch,
  s3,
  clamd,
};
export type EngineName = keyof typeof allEngines;
export const engineNames = Object.keys(allEngines) as EngineName[];
/** Those that services use. */
const usualEngines = engineNames.filter((name) => !allEngines[name].isOnRequest);

/** The engines of a list as `--only` takes it; throws a ConfigError for a name there is none of. */
export const enginesIn = (list: string): EngineName[] =>
  list.split(',').map((name) => {
    const found = engineNames.find((each) => each === name);
    if (!found) throw new ConfigError(`There is no engine ${JSON.stringify(name)}, only ${engineNames.join(', ')}.`);
    return found;
  });

export interface EngineOptions {
  /** Which engines; default all that services use. */
  only?: readonly EngineName[];
  /** Folder of this run: data, logs, secrets, variables. One run at a time. Default .cache/infra. */
  dataDir?: string;
  /** The first of consecutive ports, or any free ones; default the usual ports of each engine. */
  ports?: number | 'free';
  /** Ways to Kafka through something else; a data folder keeps those it began with. */
  kafkaLinks?: readonly KafkaLink[];
  /** Begins with empty data. */
  fresh?: boolean;
  /** Where pinned versions are kept; default .cache/infra/engines. */
  cacheDir?: string;
  /** True lets apt-get install what the machine lacks (as root). */
  install?: boolean;
  /** Told what happens, a line each. */
  onProgress?(line: string): void;
  /** Told when a process ends that nobody told to. */
  onLost?(how: string): void;
}

export interface Engines {
  readonly dataDir: string;
  /** Variables that lead to the engines as the administrator. */
  readonly env: Readonly<Record<string, string>>;
  /** Variables that lead a service to the engines it uses, as its own user. */
  envOf(service: EngineUser): Readonly<Record<string, string>>;
  readonly processes: readonly EngineProcess[];
  /** One process: kafka, mongodb, redis-gateway, redis-socket, … */
  process(name: string): EngineProcess;
  /** Ends all in good order. */
  stop(): Promise<void>;
}

const defaultDataDir = '.cache/infra';
const secretsFile = 'secrets.env';

const foldersOf = (dataDir: string) => ({
  data: join(dataDir, 'data'),
  logs: join(dataDir, 'logs'),
  run: join(dataDir, 'run'),
});

/** Makes the secrets of a run's folder and answers their file. */
export const makeSecrets = async (dataDir = defaultDataDir): Promise<string> => {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  await secretsIn(join(dataDir, secretsFile));
  return join(dataDir, secretsFile);
};

/** Every engine has its place in the row, so that a port does not depend on `only`. */
const portsFrom = async (ports: EngineOptions['ports']): Promise<Record<string, number>> => {
  const usual = Object.values(allEngines).flatMap((engine) => Object.entries(engine.ports));
  if (ports === undefined) return Object.fromEntries(usual);
  const free = ports === 'free' ? await freePorts(usual.length) : [];
  return Object.fromEntries(usual.map(([name], index) => [name, free[index] ?? Number(ports) + index]));
};

const checkPorts = async (chosen: readonly Engine[], ports: Readonly<Record<string, number>>): Promise<void> => {
  const names = chosen.flatMap((engine) => Object.keys(engine.ports));
  const taken: string[] = [];
  for (const name of names) if (!(await isFree(ports[name] as number))) taken.push(`${ports[name]} (${name})`);
  if (taken.length > 0)
    throw new ConfigError(
      `Another program has ${taken.length === 1 ? 'port' : 'the ports'} ${taken.join(', ')}. Stop it, or choose other ports with --port-base N.`,
    );
};

/** Starts all of them; when one fails, stops those that came up. */
const startAll = async (processes: readonly EngineProcess[]): Promise<void> => {
  const outcomes = await Promise.allSettled(processes.map((each) => each.start()));
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (!failed) return;
  await Promise.all(processes.map((each) => each.stop()));
  throw failed.reason;
};

interface Chosen {
  engine: Engine;
  site: Site;
}

/** Writes `env` for the administrator and `env.<service>` for each service, and answers them. */
const writeEnvs = async (chosen: readonly Chosen[], dataDir: string) => {
  const envs = new Map<EngineUser, Record<string, string>>();
  for (const user of engineUsers) {
    const used = chosen.filter(({ engine }) => engine.users.includes(user));
    const parts = await Promise.all(used.map(({ engine, site }) => engine.env(site, user)));
    const env = Object.assign({}, ...parts) as Record<string, string>;
    envs.set(user, env);
    await replaceWhole(join(dataDir, user === 'admin' ? 'env' : `env.${user}`), envText(env));
  }
  return envs;
};

interface Run {
  dataDir: string;
  onLost(how: string): void;
  /** Gives the folder back. */
  release(): void;
}

/** Starts the processes of engines whose sites are ready. */
const launch = async (chosen: readonly Chosen[], { dataDir, onLost, release }: Run): Promise<Engines> => {
  const plans = (await Promise.all(chosen.map(({ engine, site }) => engine.plan(site)))).flat();
  const processes = plans.map((plan) => new EngineProcess(plan, foldersOf(dataDir)));
  for (const each of processes) each.onLost = onLost;
  const envs = await writeEnvs(chosen, dataDir);
  const killNow = (): void => {
    for (const each of processes) each.killNow();
  };
  process.once('exit', killNow);
  await startAll(processes);
  await Promise.all(chosen.map(({ engine, site }) => engine.prepare?.(site)));
  return {
    dataDir,
    env: envs.get('admin') ?? {},
    envOf: (service) => envs.get(service) ?? {},
    processes,
    process(name) {
      const found = processes.find((each) => each.plan.name === name);
      if (!found) throw new Error(`no process ${name} was started`);
      return found;
    },
    async stop() {
      await Promise.all(processes.map((each) => each.stop()));
      process.off('exit', killNow);
      release();
    },
  };
};

/** Ends what an earlier run, killed itself, left in the folder. */
const endLeft = async (run: string, onProgress: (line: string) => void): Promise<void> => {
  const end = async (file: string): Promise<void> => {
    if (await endOrphan(join(run, file))) onProgress(`ended ${file.replace('.json', '')}, left by a killed run`);
  };
  await Promise.all((await readdir(run)).map(end));
};

/**
 * Starts engines as processes of this machine and resolves when all of them serve. Ends first what an earlier run in
 * the same folder left behind. Throws a ConfigError for what the caller can put right.
 */
export const startEngines = async ({
  only = usualEngines,
  dataDir: folder = defaultDataDir,
  cacheDir: cache = '.cache/infra/engines',
  ports: asked,
  kafkaLinks = [],
  fresh = false,
  install = false,
  onProgress = () => undefined,
  onLost = (how) => process.emitWarning(how),
}: EngineOptions = {}): Promise<Engines> => {
  const dataDir = resolve(folder);
  const cacheDir = resolve(cache);
  const { data, logs, run } = foldersOf(dataDir);
  for (const each of [dataDir, cacheDir, logs, run]) await mkdir(each, { recursive: true, mode: 0o700 });
  const release = tryLock(join(dataDir, 'lock'));
  if (!release)
    throw new ConfigError(`Engines run in ${dataDir} already. Stop them, or choose another folder with --data DIR.`);
  try {
    await endLeft(run, onProgress);
    if (fresh) await rm(data, { recursive: true, force: true });
    const engines = only.map((name) => allEngines[name]);
    await installEngines(engines, cacheDir, { install, onProgress });
    const ports = await portsFrom(asked);
    await checkPorts(engines, ports);
    const secrets = await secretsIn(join(dataDir, secretsFile));
    const siteOf = ({ name }: Engine): Site => ({ cacheDir, dataDir: join(data, name), ports, secrets, kafkaLinks });
    const chosen = engines.map((engine) => ({ engine, site: siteOf(engine) }));
    return await launch(chosen, { dataDir, onLost, release });
  } catch (thrown) {
    release();
    throw thrown;
  }
};
