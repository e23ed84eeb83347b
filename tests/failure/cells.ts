import { diskFull, type EmbeddedFault, platformKilled } from './embedded.ts';
import {
  type Fault,
  flushed,
  jumped,
  killed,
  killedCutOff,
  paused,
  rolled,
  stalled,
  storeAway,
  stormed,
  troubled,
} from './faults.ts';
import { copied, poisoned, replayed } from './log-faults.ts';
import { judged, withoutCompliance } from './policy-faults.ts';
import { searching } from './search-faults.ts';

interface Row {
  readonly name: string;
  readonly about: string;
}

/** One row of the table: a fault in the middle of a load, and nothing broken after it. */
export type Cell = Row & { readonly short: boolean } & (
    | { readonly on: 'engines'; readonly fault: Fault; readonly searches: boolean }
    | { readonly on: 'embedded'; readonly fault: EmbeddedFault }
  );

const services = [
  'gateway',
  'auth',
  'socket-1',
  'socket-2',
  'persistence-1',
  'persistence-2',
  'crypto',
  'media',
  'compliance',
];
const engines = ['kafka', 'mongodb', 'redis-gateway', 'redis-socket', 'redis-shared'];
const links = [
  'socket-kafka',
  'persistence-kafka',
  'socket-mongodb',
  'persistence-mongodb',
  'auth-mongodb',
  'socket-redis',
  'persistence-redis',
  'gateway-redis',
  'gateway-auth',
  'socket-auth',
  'socket-compliance',
  'socket-crypto',
  'crypto-mongodb',
  'socket-media',
  'media-mongodb',
  'user-socket-1',
];
const redisNames = ['gateway', 'socket', 'shared', 'compliance', 'crypto'];
const inShort = new Set([
  'kill-socket-1',
  'kill-persistence-1',
  'kill-kafka',
  'deaf-socket-kafka',
  'cut-persistence-mongodb',
  'flush-all',
  'zombie-worker',
]);

const troubles = {
  cut: 'the way is cut for 3 to 6 s',
  slow: 'the way is slow for 3 to 6 s: 100 ms, 2 MiB/s',
  deaf: 'requests arrive and answers vanish for 3 to 6 s',
} as const;

/** Three times, a process that ends or stands still while a link is in trouble, all chosen by the seed. */
const mixed: Fault = async (world, chance, scene) => {
  const oneOf = <T>(items: readonly T[]): T => items[chance.whole(0, items.length - 1)] as T;
  for (let round = 0; round < 3; round += 1) {
    const process = oneOf([...services, ...engines]);
    const link = troubled(oneOf(links), oneOf(Object.keys(troubles) as (keyof typeof troubles)[]));
    const end = oneOf([killed, paused])(process);
    await Promise.all([link(world, chance, scene), end(world, chance, scene)]);
  }
};

const onEngines: readonly (Row & { fault: Fault })[] = [
  ...[...services, ...engines].map((name) => ({
    name: `kill-${name}`,
    about: `SIGKILL of ${name}, started again 0.5 to 4 s later`,
    fault: killed(name),
  })),
  {
    name: 'kill-compliance-judged',
    about: 'SIGKILL of compliance while a tenant talks under a policy, started again 0.5 to 4 s later',
    fault: judged(killed('compliance')),
  },
  {
    name: 'without-compliance',
    about:
      'SIGKILL of compliance, then of a node, which starts without it; a tenant talks under a policy for 17 to 20 s',
    fault: judged(withoutCompliance),
  },
  ...[...services, ...engines].map((name) => ({
    name: `pause-${name}`,
    about: `SIGSTOP of ${name} for 5 to 10 s`,
    fault: paused(name),
  })),
  ...(['cut', 'slow', 'deaf'] as const).flatMap((trouble) =>
    links.map((link) => ({
      name: `${trouble}-${link}`,
      about: `${link}: ${troubles[trouble]}`,
      fault: troubled(link, trouble),
    })),
  ),
  {
    name: 'stop-mongodb-minute',
    about: 'MongoDB is stopped for a minute: sends go on, history says that it can be asked for again',
    fault: storeAway,
  },
  ...redisNames.map((name) => ({
    name: `flush-${name}`,
    about: `FLUSHALL of redis-${name}, three times`,
    fault: flushed(name),
  })),
  { name: 'flush-all', about: 'FLUSHALL of all five Redis, three times', fault: flushed(...redisNames) },
  {
    name: 'rolling-restart',
    about: 'every service told to end and started again, one after the other',
    fault: rolled(...services),
  },
  { name: 'rebalance-storm', about: 'workers killed or stopped and started every 2 s, five times', fault: stormed },
  {
    name: 'zombie-worker',
    about: 'a worker stands still past its session of 10 s, another takes its shards, and it goes on',
    fault: paused('persistence-1', [14_000, 18_000]),
  },
  {
    name: 'kill-cut-off-node',
    about: 'socket nodes are cut off from the log, and then socket-1 is killed',
    fault: killedCutOff,
  },
  { name: 'mixed', about: 'three times, a process killed or stopped while a way is in trouble', fault: mixed },
  { name: 'replay', about: 'the workers begin at the first record of every topic', fault: replayed },
  { name: 'copied-records', about: 'the last sends stand in the log again, three times', fault: copied },
  { name: 'poison', about: 'unreadable records in every topic, under the keys of live conversations', fault: poisoned },
  { name: 'slow-readers', about: 'three users stop reading for 12 to 16 s', fault: stalled },
  ...['socket-1', 'persistence-1', 'auth'].flatMap((name) => [
    {
      name: `clock-ahead-${name}`,
      about: `the clock of ${name} jumps 5 min ahead, then back`,
      fault: jumped(name, 300_000),
    },
    {
      name: `clock-behind-${name}`,
      about: `the clock of ${name} jumps 5 min back, then ahead`,
      fault: jumped(name, -300_000),
    },
  ]),
];

/** Only searches may notice: they are refused, with leave to try again, and find all of it afterwards. */
const onSearch: readonly (Row & { fault: Fault })[] = [
  ...['search', 'opensearch'].flatMap((name) => [
    {
      name: `kill-${name}`,
      about: `SIGKILL of ${name} while somebody searches, started again 0.5 to 4 s later`,
      fault: searching(killed(name)),
    },
    {
      name: `pause-${name}`,
      about: `SIGSTOP of ${name} for 5 to 10 s while somebody searches`,
      fault: searching(paused(name)),
    },
  ]),
  ...(['cut', 'slow', 'deaf'] as const).map((trouble) => ({
    name: `${trouble}-socket-search`,
    about: `socket-search, while somebody searches: ${troubles[trouble]}`,
    fault: searching(troubled('socket-search', trouble)),
  })),
];

const onEmbedded: readonly (Row & { fault: EmbeddedFault })[] = [
  { name: 'embedded-kill', about: 'npm start in one process: SIGKILL', fault: platformKilled },
  { name: 'embedded-disk-full', about: 'npm start in one process: its disk is full for 4 to 7 s', fault: diskFull },
];

export const cells: readonly Cell[] = [
  ...onEngines.map((row) => ({ ...row, on: 'engines' as const, searches: false, short: inShort.has(row.name) })),
  ...onSearch.map((row) => ({ ...row, on: 'engines' as const, searches: true, short: false })),
  ...onEmbedded.map((row) => ({ ...row, on: 'embedded' as const, short: inShort.has(row.name) })),
];
