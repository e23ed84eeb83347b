import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { CaasClientError } from '@caas/client';
import type { EngineProcess } from '@caas/infra';
import { until } from '@caas/kit/testing/until';
import type { Chance } from '../support/chance.ts';
import type { Member } from './fleet.ts';
import { pause } from './pause.ts';
import type { Trouble } from './proxies.ts';
import type { World } from './world.ts';

/** Who talks while it happens. */
export interface Scene {
  /** Tenant of the members. */
  tenantId: string;
  members: readonly Member[];
  /** Ids of their conversations. */
  conversations: readonly string[];
  /** Whether users lose their connections now and then, as they do at first. */
  cuts(on: boolean): void;
}

/** Brings something about and ends it; resolves when nothing of it is left. */
export type Fault = (world: World, chance: Chance, scene: Scene) => Promise<void>;

/** How often a process that does not come up is started again, as a supervisor does: an engine it needs may be away. */
const maxStarts = 5;

export const startedAgain = async (process: EngineProcess): Promise<void> => {
  for (let n = 1; ; n += 1) {
    try {
      return await process.start();
    } catch (thrown) {
      if (n === maxStarts) throw thrown;
      await pause(500);
    }
  }
};

/** Ends a process with no word, and starts it again. */
export const killed =
  (name: string): Fault =>
  async (world, chance) => {
    const process = world.process(name);
    await process.kill();
    await pause(chance.whole(500, 4_000));
    await startedAgain(process);
  };

/** A process stands still: it keeps its ports and connections and answers nothing. */
export const paused =
  (name: string, [fromMs, toMs]: readonly [number, number] = [5_000, 10_000]): Fault =>
  async (world, chance) => {
    const process = world.process(name);
    process.pause();
    await pause(chance.whole(fromMs, toMs));
    process.resume();
  };

/** How long the store is stopped, in milliseconds. */
const awayMs = 60_000;
/**
 * How long a send may take meanwhile, in milliseconds: it keeps its turn behind a command of its connection that asks the
 * store, which is given up after 10 s.
 */
const sendMs = 15_000;

/**
 * The store is stopped for a minute. Meanwhile who is connected goes on to talk (nobody comes in: auth has its sessions in
 * the same engine), and history says that it can be asked for again.
 */
export const storeAway: Fault = async (world, chance, { members, cuts }) => {
  const store = world.process('mongodb');
  const online = (): Member[] => members.filter(({ sdk }) => sdk.state === 'online');
  let refused = 0;
  cuts(false);
  await until('all are connected', online, (some) => some.length === members.length, sendMs);
  await store.stop();
  try {
    for (const untilMs = Date.now() + awayMs; Date.now() < untilMs; await pause(1_000)) {
      const { sdk, recorder, conversations } = members[chance.whole(0, members.length - 1)] as Member;
      const id = conversations[chance.whole(0, conversations.length - 1)] as string;
      const sent = recorder.send(sdk, id, `away-${chance.whole(0, 1e9)}`, 'the store is away');
      const late = pause(sendMs).then(() => Promise.reject(new Error('a send waits for the store that is away')));
      await Promise.race([sent, late]);
      await sdk.getHistory(id, { limit: 50 }).catch((thrown: unknown) => {
        if (thrown instanceof CaasClientError && thrown.retryable && thrown.reason === 'HISTORY_UNAVAILABLE')
          refused += 1;
      });
    }
  } finally {
    await startedAgain(store);
    cuts(true);
  }
  if (refused === 0) throw new Error('history never said that it can be asked for again');
};

export const troubled =
  (link: string, trouble: Trouble): Fault =>
  async ({ proxies }, chance) => {
    await proxies.trouble(link, trouble);
    await pause(chance.whole(3_000, 6_000));
    await proxies.heal(link, trouble);
  };

/** Says lines to a Redis as its administrator and resolves with all it answers until it closes. */
const redis = (address: string, lines: readonly string[]): Promise<string> =>
  new Promise((resolve, reject) => {
    const { hostname, port, username, password } = new URL(address);
    const socket = connect(Number(port), hostname, () =>
      socket.end([`AUTH ${username} ${password}`, ...lines, 'QUIT', ''].join('\r\n')),
    );
    let answer = '';
    socket.on('data', (data) => (answer += data));
    socket.on('error', reject);
    socket.on('close', () => resolve(answer));
  });

/** Loses everything of these Redis, three times. */
export const flushed =
  (...names: readonly string[]): Fault =>
  async ({ engines }, chance) => {
    for (let i = 0; i < 3; i += 1) {
      for (const name of names) {
        const answer = await redis(engines.env[`REDIS_${name.toUpperCase()}_URL`] as string, ['FLUSHALL']);
        if (answer !== '+OK\r\n+OK\r\n+OK\r\n') throw new Error(`redis-${name}: FLUSHALL answered ${answer}`);
      }
      await pause(chance.whole(200, 1_500));
    }
  };

/** One after the other is told to end, ends, and is started again. */
export const rolled =
  (...names: readonly string[]): Fault =>
  async (world) => {
    for (const name of names) {
      await world.process(name).stop();
      await world.process(name).start();
    }
  };

/** Workers come and go, so that shards move all the time. */
export const stormed: Fault = async (world, chance) => {
  for (let i = 0; i < 5; i += 1) {
    const worker = world.process(`persistence-${1 + (i % 2)}`);
    if (chance.next() < 0.5) await worker.kill();
    else await worker.stop();
    await worker.start();
    await pause(chance.whole(500, 2_000));
  }
};

/** The clock of a service jumps, and some seconds later back. */
export const jumped =
  (name: string, byMs: number): Fault =>
  async (world, chance) => {
    const service = world.process(name);
    const file = join(world.dir, `${name}.clock`);
    const jump = async (ms: number): Promise<void> => {
      await writeFile(file, String(ms));
      process.kill(service.pid as number, 'SIGUSR2');
      await pause(chance.whole(2_000, 4_000));
    };
    await service.stop();
    const preload = `--import=${join(import.meta.dirname, 'clock-shift.ts')}`;
    await service.start({ NODE_OPTIONS: preload, CAAS_CLOCK_FILE: file });
    await jump(byMs);
    await jump(0);
  };

/** Some users stop reading for as long as it takes to be told so. */
export const stalled: Fault = async (_world, chance, { members }) => {
  const goOn = chance
    .shuffled(members)
    .slice(0, 3)
    .map((member) => member.stall());
  await pause(chance.whole(12_000, 16_000));
  for (const resume of goOn) resume();
};

/** A node is cut off from the log with sends on their way, and then ends with no word. */
export const killedCutOff: Fault = async (world, chance) => {
  await troubledUntil(world, 'socket-kafka', async () => {
    await pause(chance.whole(500, 1_500));
    await world.process('socket-1').kill();
  });
  await world.process('socket-1').start();
};

const troubledUntil = async ({ proxies }: World, link: string, work: () => Promise<void>): Promise<void> => {
  await proxies.trouble(link, 'cut');
  await work().finally(() => proxies.heal(link, 'cut'));
};
