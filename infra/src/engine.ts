/** What one engine has to say of itself; everything else (processes, logs, ports, signals) is the same for all. */
export interface Engine {
  readonly name: string;
  /** Who uses it. */
  readonly users: readonly EngineUser[];
  /** True for what no service needs: started only where it is named. */
  readonly isOnRequest?: boolean;
  /** Its ports on 127.0.0.1 by name, with the usual numbers. */
  readonly ports: Readonly<Record<string, number>>;
  /** What the machine must have for it. */
  readonly tools: readonly Tool[];
  /** True when the pinned versions are in the cache. */
  isInstalled(cacheDir: string): Promise<boolean>;
  /** Brings the pinned versions into the cache. */
  install(cacheDir: string): Promise<void>;
  /** Makes the data folder ready to start on and says which processes run on it. */
  plan(site: Site): Promise<ProcessPlan[]>;
  /** Once its processes serve: makes what services expect to find. May be done again. */
  prepare?(site: Site): Promise<void>;
  /** Variables that lead one of its users to it. */
  env(site: Site, user: EngineUser): Promise<Record<string, string>>;
}

/** A program the machine brings along. */
export interface Tool {
  readonly what: string;
  /** Debian's package that has it. */
  readonly debian: string;
  /** True when it is needed only to install the engine, not to run it. */
  readonly onlyToInstall?: boolean;
  isThere(): Promise<boolean>;
}

/** Where an engine runs. Folders are absolute. */
export interface Site {
  readonly cacheDir: string;
  /** The engine's own folder; kept between runs. */
  readonly dataDir: string;
  /** Port of each name of `ports`. */
  readonly ports: Readonly<Record<string, number>>;
  /** Those of secrets.env, by variable: `REDIS_PASSWORD_<USER>` and others. */
  readonly secrets: Readonly<Record<string, string>>;
  /** Ways to Kafka through something else, such as a proxy. */
  readonly kafkaLinks: readonly KafkaLink[];
}

/** A listener of the broker that tells its clients another port, where what passes the connections on to it listens. */
export interface KafkaLink {
  /** Upper-case letters. */
  readonly name: string;
  /** Where the broker listens for it. */
  readonly port: number;
  /** Where its clients connect. */
  readonly advertisedPort: number;
}

export interface ProcessPlan {
  readonly name: string;
  /** For the table: what it is and what it is for. */
  readonly about: string;
  readonly port: number;
  readonly command: readonly [string, ...string[]];
  readonly env?: Readonly<Record<string, string>>;
  /** Default: this process's. */
  readonly cwd?: string;
  /** Polled until true; `log` is what it has printed since its start. */
  isReady(log: string): boolean | Promise<boolean>;
  /** After the process has ended in good order. */
  stopped?(): Promise<void>;
}

/** The services that use engines, and the administrator: tests and operators. */
export const engineUsers = [
  'admin',
  'gateway',
  'auth',
  'socket',
  'persistence',
  'compliance',
  'crypto',
  'media',
  'search',
] as const;
export type EngineUser = (typeof engineUsers)[number];

/** Those no Redis knows. */
export const usersWithoutRedis: readonly EngineUser[] = ['media', 'search'];
