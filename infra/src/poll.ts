import { setTimeout as sleep } from 'node:timers/promises';

const intervalMs = 50;

/** True as soon as the condition holds, false when it has not within the time. */
export const holdsWithin = async (ms: number, condition: () => boolean | Promise<boolean>): Promise<boolean> => {
  const end = performance.now() + ms;
  while (!(await condition())) {
    if (performance.now() > end) return false;
    await sleep(intervalMs);
  }
  return true;
};
