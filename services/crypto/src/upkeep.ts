import { setTimeout as wait } from 'node:timers/promises';
import type { Logger } from '@caas/kit';
import type { CryptoCore } from './core.ts';
import { destroyedPollMs } from './limits.ts';

/** Looks for what other processes destroy, until the signal; a failure is logged when it begins and when it ends. */
export const lookingForDestroyed =
  ({ destructions }: CryptoCore, logger: Logger) =>
  async (signal: AbortSignal): Promise<void> => {
    let failing = false;
    while (!signal.aborted) {
      try {
        await destructions.poll();
        if (failing) logger.info('destroyed keys are looked for again');
        failing = false;
      } catch (err) {
        if (!failing) logger.warn({ err }, 'destroyed keys can’t be looked for; holders will fall silent');
        failing = true;
      }
      await wait(destroyedPollMs, undefined, { signal }).catch(() => undefined);
    }
  };
