import { createLogger } from '@caas/kit/log';
import type { Claims } from '@caas/proto/caas/common/v1/claims';
import { expect, test } from '@jest/globals';
import type { NodeServices } from '../commands/command.ts';
import { defaultBounds } from '../limits.ts';
import type { Connection } from './connection.ts';
import { Dispatcher } from './dispatch.ts';
import { type Hold, type ReadBounds, ReadBudget } from './read-budget.ts';

const free = { take: () => 0 };
const settled = async (): Promise<void> => {
  for (let turns = 0; turns < 5; turns++) await new Promise((resolve) => setImmediate(resolve));
};

/** A connection whose backlog the test decides on, and the reads begun for it. */
const setUp = (budget: Partial<ReadBounds> = {}) => {
  const begun: string[] = [];
  const answers: (() => void)[] = [];
  const replies: string[] = [];
  /** What is set aside for answers the client has not taken. */
  const holds: Hold[] = [];
  const connection = {
    subprotocol: 'caas.v1.json',
    claims: { tenantId: 't' } as Claims,
    rates: { sends: free, frames: free, all: free, refusals: 0 },
    inFlight: 0,
    backlogBytes: 0,
    closed: false,
    ws: { isPaused: false },
    reply: (id: string, _: object, hold?: Hold) => {
      replies.push(id);
      if (hold) holds.push(hold);
    },
  };
  const node = {
    bounds: { ...defaultBounds, maxReadsInFlight: 2, maxQueuedBytes: 1_000 },
    clock: { now: () => 1 },
    logger: createLogger({ service: 'socket', level: 'silent' }),
    reads: new ReadBudget({ ...defaultBounds, maxConnectionReadBytes: 2 ** 30, maxUserReadBytes: 2 ** 30, ...budget }),
    users: {
      getMany: (_: string, [id]: string[]) => {
        begun.push(id as string);
        return new Promise((resolve) => answers.push(() => resolve([])));
      },
    },
  } as unknown as NodeServices;
  const dispatcher = new Dispatcher(node, connection as unknown as Connection);
  const read = (id: string): void =>
    dispatcher.received(Buffer.from(JSON.stringify({ id, getUsers: { userIds: [id] } })));
  return { begun, answers, replies, holds, connection, dispatcher, read };
};

test('reads wait while more than its bound waits for the client, and go on when the client has taken it', async () => {
  const { begun, answers, replies, connection, dispatcher, read } = setUp();
  connection.backlogBytes = 1_001;
  read('one');
  read('two');
  await settled();
  expect(begun).toEqual([]);
  expect(connection.inFlight).toBe(2);
  connection.backlogBytes = 1_000;
  dispatcher.goOn();
  await settled();
  expect(begun).toEqual(['one', 'two']);
  // What an answered read leaves in the queue holds up the next one as well.
  read('three');
  connection.backlogBytes = 1_001;
  answers[0]?.();
  await settled();
  expect(replies).toEqual(['one']);
  expect(begun).toEqual(['one', 'two']);
  connection.backlogBytes = 0;
  dispatcher.goOn();
  await settled();
  expect(begun).toEqual(['one', 'two', 'three']);
});

test('so many reads of a connection run at once, and the next begins when one has ended', async () => {
  const { begun, answers, read } = setUp();
  for (const id of ['one', 'two', 'three']) read(id);
  await settled();
  expect(begun).toEqual(['one', 'two']);
  answers[1]?.();
  await settled();
  expect(begun).toEqual(['one', 'two', 'three']);
});

test('reads wait while answers to others of the connection are not taken, and go on when they are', async () => {
  const { begun, answers, holds, read } = setUp({ maxConnectionReadBytes: defaultBounds.maxReplyBytes + 1_000 });
  for (const id of ['one', 'two', 'three']) read(id);
  await settled();
  expect(begun).toEqual(['one']);
  answers[0]?.();
  await settled();
  expect(begun).toEqual(['one']);
  // Smaller than what was set aside, and then gone.
  holds[0]?.settle(1_001);
  expect(begun).toEqual(['one']);
  holds[0]?.settle(1_000);
  await settled();
  expect(begun).toEqual(['one', 'two']);
  answers[1]?.();
  await settled();
  for (const hold of holds) hold.release();
  await settled();
  expect(begun).toEqual(['one', 'two', 'three']);
});
