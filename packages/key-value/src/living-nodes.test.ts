import { expect, test } from '@jest/globals';
import { LivingNodes, livingNodes, memoryKeyValue, nodeKey } from './index.ts';

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
  /** Asks, lets the look end that is due after `afterMs`, and asks again. */
  const look = async (nodeIds: readonly string[], afterMs = 0): Promise<string[]> => {
    state.nowMs += afterMs;
    living.among(nodeIds);
    for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    return living.among(nodeIds);
  };
  const beats = (nodeId: string) => keyValue.set(nodeKey(nodeId), Buffer.from('1'), dayMs);
  return { state, keyValue, living, look, beats };
};

test('a node that crashed counts as alive until its canary was missing twice, and again when it is back', async () => {
  const { state, keyValue, look, beats } = aView();
  await beats('n');
  expect(await look(['n'])).toEqual(['n']);
  await keyValue.delete(nodeKey('n'));
  expect(await look(['n'], 4_999)).toEqual(['n']);
  expect(state.looks).toBe(1);
  expect(await look(['n'], 1)).toEqual(['n']);
  expect(await look(['n'], 1_000)).toEqual([]);
  await beats('n');
  expect(await look(['n'], 5_000)).toEqual(['n']);
});

test('nodes nobody has heard of count as alive, and are looked for together', async () => {
  const { state, living, look } = aView();
  expect(living.among(['a', 'b'])).toEqual(['a', 'b']);
  await look(['c']);
  expect(state.looks).toBe(1);
});

test('what is known of nodes holds while the engine does not answer', async () => {
  const { state, look, beats } = aView();
  await beats('lives');
  await look(['lives', 'dead']);
  expect(await look(['lives', 'dead'], 1_000)).toEqual(['lives']);
  state.down = true;
  for (let i = 0; i < 3; i += 1) expect(await look(['lives', 'dead'], 5_000)).toEqual(['lives']);
});

test('a node nobody asks for is looked for no more', async () => {
  const { keyValue, look, beats } = aView();
  await beats('lives');
  await look(['lives', 'gone']);
  const asked: string[] = [];
  const getMany = keyValue.getMany;
  keyValue.getMany = (keys) => {
    asked.push(...keys);
    return getMany(keys);
  };
  await look(['lives'], 600_001);
  expect(asked).toEqual([nodeKey('lives')]);
});

test('a fresh look tells those that live now', async () => {
  const { state, keyValue, beats } = aView();
  await beats('a');
  expect([...(await livingNodes(keyValue, ['a', 'b', 'a']))]).toEqual(['a']);
  expect([...(await livingNodes(keyValue, []))]).toEqual([]);
  expect(state.looks).toBe(1);
});
