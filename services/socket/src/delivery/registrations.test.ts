import { type KeyValue, memoryKeyValue, nodeKey, setCanary, userConnectionsKey, userNodesKey } from '@caas/key-value';
import { CaasError } from '@caas/kit';
import { Claims } from '@caas/proto/caas/common/v1/claims';
import { afterEach, expect, test } from '@jest/globals';
import type { Connection } from '../edge/connection.ts';
import { LocalUser } from './local.ts';
import { Registrations } from './registrations.ts';

const renewalMs = 100_000;
let stopping = new AbortController();
afterEach(() => {
  stopping.abort();
  stopping = new AbortController();
});

const until = async (holds: () => unknown): Promise<void> => {
  const deadline = Date.now() + 5_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not within 5 s: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};

/** Shared state whose additions wait while it is held, on a clock of the test's. */
const aStore = () => {
  const state = { nowMs: 1_000_000, additions: 0, held: undefined as Promise<void> | undefined };
  const clock = { now: () => state.nowMs };
  const keyValue: KeyValue = memoryKeyValue({ clock });
  const addToSets = keyValue.addToSets.bind(keyValue);
  keyValue.addToSets = async (entries, ttlMs) => {
    state.additions++;
    await state.held;
    return addToSets(entries, ttlMs);
  };
  const hold = (): (() => void) => {
    let release: () => void = () => undefined;
    state.held = new Promise((resolve) => {
      release = resolve;
    });
    return () => {
      state.held = undefined;
      release();
    };
  };
  return { state, clock, keyValue, hold };
};

/** A node with users who each have one connection, all registered. */
const aNode = async ({ clock, keyValue }: ReturnType<typeof aStore>, userIds: readonly string[] = []) => {
  const users = new Map<string, LocalUser>();
  const source = { users: () => users.values(), conversations: () => [] };
  const errors: unknown[] = [];
  const ignored = (): void => undefined;
  const logger = { debug: ignored, warn: ignored, error: (fields: unknown) => void errors.push(fields) } as never;
  const registrations = new Registrations(keyValue, 'n1', source, clock, logger, ignored);
  const enter = async (userId: string): Promise<void> => {
    const user = new LocalUser('t', userId);
    users.set(userId, user);
    const claims = Claims.fromPartial({ tenantId: 't', userId });
    const connection = { id: users.size, claims } as unknown as Connection;
    user.connections.add(connection);
    await Promise.all([registrations.addUser(user), registrations.addConnection(connection)]);
  };
  /** As LocalDirectory does it. */
  const leave = (userId: string): void => {
    const user = users.get(userId) as LocalUser;
    const [connection] = user.connections;
    user.connections.clear();
    registrations.removeConnection(connection as Connection);
    users.delete(userId);
    registrations.removeUser(user);
  };
  const run = (): void => void registrations.run(stopping.signal);
  await Promise.all(userIds.map(enter));
  return { registrations, enter, leave, run, errors };
};

const registered = async (keyValue: KeyValue, userId: string): Promise<number> =>
  (await keyValue.membersOf([userNodesKey('t', userId), userConnectionsKey('t', userId)])).flat().length;

test('who leaves while all registrations are renewed is not registered again', async () => {
  const store = aStore();
  const many = Array.from({ length: 1_000 }, (_, i) => `u${i}`);
  const node = await aNode(store, ['first', ...many, 'last']);
  const release = store.hold();
  store.state.additions = 0;
  store.state.nowMs += renewalMs;
  node.run();
  await until(() => store.state.additions);
  // One is in that chunk, the other's turn is yet to come.
  for (const userId of ['first', 'last']) node.leave(userId);
  release();
  await until(() => store.keyValue.get(nodeKey('n1')));
  for (const userId of ['first', 'last'])
    expect([userId, await registered(store.keyValue, userId)]).toEqual([userId, 0]);
  expect(await registered(store.keyValue, 'u999')).toBe(2);
});

test('who leaves and comes back while a call takes its time is registered', async () => {
  const store = aStore();
  const node = await aNode(store, ['u']);
  const release = store.hold();
  const other = node.enter('other');
  node.leave('u');
  const back = node.enter('u');
  release();
  await Promise.all([other, back]);
  expect(await registered(store.keyValue, 'u')).toBe(2);
  node.leave('u');
  await until(async () => (await registered(store.keyValue, 'u')) === 0);
});

test('who comes while the store does not answer waits for one refusal, and is registered when it is back', async () => {
  const store = aStore();
  const node = await aNode(store);
  const { addToSets } = store.keyValue;
  let refusals = 0;
  store.keyValue.addToSets = () => {
    refusals++;
    return Promise.reject(new CaasError('UNAVAILABLE', 'no'));
  };
  await Promise.all(Array.from({ length: 2_000 }, (_, i) => node.enter(`u${i}`)));
  expect(refusals).toBe(1);
  store.keyValue.addToSets = addToSets;
  node.run();
  await until(async () => (await registered(store.keyValue, 'u1999')) === 2);
});

test('of two nodes of one id the earlier one sees that it was superseded and says so once, the later one goes on', async () => {
  const store = aStore();
  const canary = async (): Promise<string> => Buffer.from((await store.keyValue.get(nodeKey('n1'))) ?? []).toString();
  const earlier = await aNode(store);
  earlier.run();
  await until(async () => (await canary()) === earlier.registrations.startId);
  const later = await aNode(store);
  later.run();
  await until(async () => (await canary()) === later.registrations.startId);
  // The earlier one's renewal was under way.
  await setCanary(store.keyValue, earlier.registrations, renewalMs);
  await until(async () => (await canary()) === later.registrations.startId);
  await until(() => earlier.registrations.superseded);
  expect(earlier.errors).toEqual([expect.objectContaining({ supersededBy: later.registrations.startId })]);
  store.state.nowMs += renewalMs;
  // All canaries have expired, and only the later one's is set again.
  await until(canary);
  expect(await canary()).toBe(later.registrations.startId);
  expect([earlier.registrations.superseded, later.registrations.superseded]).toEqual([true, false]);
});
