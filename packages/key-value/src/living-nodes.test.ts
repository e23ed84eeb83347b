import { expect, test } from '@jest/globals';
import { LivingNodes, livingMembers, memoryKeyValue, nodeKey, setCanary, startMember, startOf } from './index.ts';

const quiet = { debug: () => undefined } as never;
const dayMs = 86_400_000;

/** What a node knows of others, looked up as time goes on; `down` while the engine does not answer. */
const aView = () => {
  const state = { nowMs: 1_000, looks: 0, down: false };
  const clock = { now: () => state.nowMs };
  const keyValue = memoryKeyValue({ clock });
  const getMany = keyValue.getMany.bind(keyValue);
  keyValue.getMany = async (keys) => {
    state.looks += 1;
    if (state.down) throw new Error('away');
    return getMany(keys);
  };
  const living = new LivingNodes(keyValue, clock, quiet);
  /** Asks for the nodes of members, lets the look end that is due after `afterMs`, and asks again. */
  const look = async (members: readonly string[], afterMs = 0): Promise<string[]> => {
    state.nowMs += afterMs;
    living.nodesOf(members);
    for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    return living.nodesOf(members);
  };
  const beats = (nodeId: string, startId = 's1') => setCanary(keyValue, { nodeId, startId }, dayMs);
  return { state, keyValue, living, look, beats };
};

/** A node in its first start, or a later one, as sets name it. */
const of = (nodeId: string, startId = 's1'): string => startMember({ nodeId, startId });

test('a node that crashed counts as living until its canary was missing twice, and again when it is back', async () => {
  const { state, keyValue, look, beats } = aView();
  await beats('n');
  expect(await look([of('n')])).toEqual(['n']);
  keyValue.flush();
  expect(await look([of('n')], 4_999)).toEqual(['n']);
  expect(state.looks).toBe(1);
  expect(await look([of('n')], 1)).toEqual(['n']);
  expect(await look([of('n')], 1_000)).toEqual([]);
  await beats('n');
  expect(await look([of('n')], 5_000)).toEqual(['n']);
});

test('what a node registered before it began anew is that of a dead one, what it registers now is not', async () => {
  const { living, look, beats } = aView();
  await beats('n', 's1');
  expect(await look([of('n', 's1')])).toEqual(['n']);
  await beats('n', 's2');
  expect(living.nodesOf([of('n', 's1'), of('n', 's2')])).toEqual(['n']);
  await look([of('n', 's1'), of('n', 's2')], 5_000);
  expect(await look([of('n', 's1')], 1_000)).toEqual([]);
  expect(await look([of('n', 's2')])).toEqual(['n']);
});

test('nodes nobody has heard of count as living, and are looked for together', async () => {
  const { state, living, look } = aView();
  expect(living.nodesOf([of('a'), of('b')])).toEqual(['a', 'b']);
  await look([of('c')]);
  expect(state.looks).toBe(1);
});

test('what is known of nodes holds while the engine does not answer', async () => {
  const { state, look, beats } = aView();
  await beats('lives');
  const both = [of('lives'), of('dead')];
  await look(both);
  expect(await look(both, 1_000)).toEqual(['lives']);
  state.down = true;
  for (let i = 0; i < 3; i += 1) expect(await look(both, 5_000)).toEqual(['lives']);
});

test('a node nobody asks for is looked for no more', async () => {
  const { keyValue, look, beats } = aView();
  await beats('lives');
  await look([of('lives'), of('gone')]);
  const asked: string[] = [];
  const getMany = keyValue.getMany;
  keyValue.getMany = (keys) => {
    asked.push(...keys);
    return getMany(keys);
  };
  await look([of('lives')], 600_001);
  expect(asked).toEqual([nodeKey('lives')]);
});

test('a fresh look tells the members whose start lives now, things of a start too', async () => {
  const { state, keyValue, beats } = aView();
  await beats('a');
  await beats('b', 's2');
  const connection = startMember({ nodeId: 'a', startId: 's1' }, '7');
  const members = [of('a'), connection, of('b'), of('b', 's2'), of('c')];
  expect([...(await livingMembers(keyValue, members))]).toEqual([of('a'), connection, of('b', 's2')]);
  expect([...(await livingMembers(keyValue, []))]).toEqual([]);
  expect(state.looks).toBe(1);
});

test('a start is found again in its name, whatever its ids contain', () => {
  const start = { nodeId: 'a/b c:%', startId: '1/2' };
  expect(startOf(startMember(start))).toEqual(start);
  expect(startOf(startMember(start, 'connection/9'))).toEqual(start);
});
