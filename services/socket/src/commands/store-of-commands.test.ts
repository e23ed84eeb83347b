import { CaasError, type Reason } from '@caas/kit';
import type { MessageStore } from '@caas/message-store';
import { expect, test } from '@jest/globals';
import { type StoreState, storeOfCommands } from './store-of-commands.ts';

/** A store whose reads of conversations do what they are told, the state of a node, and what was asked. */
const aNode = (read: () => Promise<never[]>) => {
  const state: StoreState = {
    storeAnswers: true,
    storeFailed: () => Object.assign(state, { storeAnswers: false }),
  };
  let asked = 0;
  const getMany = (): Promise<never[]> => {
    asked += 1;
    return read();
  };
  const store = { messages: {}, conversations: { getMany }, participants: {} } as unknown as MessageStore;
  return { state, read: () => storeOfCommands(store, state).conversations.getMany([]), asked: () => asked };
};
const failing = (reason: Reason) => () => Promise.reject(new CaasError(reason, 'no'));

test('the command after one that the store did not answer is refused at once', async () => {
  const { state, read, asked } = aNode(failing('UNAVAILABLE'));
  await expect(read()).rejects.toMatchObject({ reason: 'UNAVAILABLE' });
  expect(state.storeAnswers).toBe(false);
  await expect(read()).rejects.toMatchObject({ reason: 'UNAVAILABLE', retryable: true });
  expect(asked()).toBe(1);
});

test('a store that answers, be it that it has too much to do, is asked again', async () => {
  const busy = aNode(failing('OVERLOADED'));
  await expect(busy.read()).rejects.toMatchObject({ reason: 'OVERLOADED' });
  expect(busy.state.storeAnswers).toBe(true);
  const well = aNode(async () => []);
  expect([await well.read(), await well.read(), well.asked()]).toEqual([[], [], 2]);
});
