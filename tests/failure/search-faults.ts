import { CaasClientError } from '@caas/client';
import { until } from '@caas/kit/testing/until';
import type { Fault } from './faults.ts';
import type { Member } from './fleet.ts';
import { pause } from './pause.ts';

/** A word that the load says in every message. */
const query = 'says';
/** How long a search may take to be answered or refused while what it needs is away, in milliseconds. */
const searchMs = 15_000;
/** How long the index may take to have what was said meanwhile, in milliseconds. */
const catchUpMs = 60_000;

/** Whether anything is found that was accepted between these, UTC milliseconds; undefined: refused for now. */
const finds = async ({ sdk }: Member, fromMs = 0, untilMs = 0): Promise<boolean | undefined> => {
  const settled = new AbortController();
  const late = pause(searchMs, settled.signal).then(() => {
    if (!settled.signal.aborted) throw new Error(`a search is open after ${searchMs} ms`);
  });
  try {
    const asked = sdk.command('searchMessages', { query, fromMs, untilMs });
    const found = await Promise.race([asked, late.then(() => asked)]);
    return found.hits.length > 0;
  } catch (thrown) {
    if (thrown instanceof CaasClientError && thrown.retryable) return undefined;
    throw thrown;
  } finally {
    settled.abort();
  }
};

/**
 * Somebody searches before, while and after a fault: each search is answered, or refused with leave to try again, and in the
 * end what was said meanwhile is found. What else must hold is judged as in any cell.
 */
export const searching =
  (fault: Fault): Fault =>
  async (world, chance, scene) => {
    const [member] = scene.members as [Member];
    await until('messages are found', () => finds(member), Boolean, catchUpMs);
    const fromMs = Date.now();
    let over = false;
    const meanwhile = (async () => {
      while (!over) {
        await finds(member);
        await pause(200);
      }
    })();
    await Promise.all([fault(world, chance, scene).finally(() => (over = true)), meanwhile]);
    const untilMs = Date.now();
    await until('what was said meanwhile is found', () => finds(member, fromMs, untilMs), Boolean, catchUpMs);
  };
