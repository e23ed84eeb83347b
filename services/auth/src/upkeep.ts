import { setTimeout as wait } from 'node:timers/promises';
import type { Runnable } from '@caas/kit';
import type { Logger } from '@caas/kit/log';
import { keyReloadMs } from '@caas/kit/signing-keys';
import type { AuthCore } from './core.ts';
import { purgeEveryMs, purgePage, revocationPollMs } from './limits.ts';

/** Repeats `work` until the signal; a failure is logged when it begins and when it ends, and the next round tries again. */
const every = (name: string, everyMs: number, logger: Logger, work: () => Promise<void>): Runnable => ({
  name,
  async run(signal) {
    let failing = false;
    while (!signal.aborted) {
      try {
        await work();
        if (failing) logger.info({ task: name }, 'works again');
        failing = false;
      } catch (err) {
        if (!failing) logger.warn({ task: name, err }, 'failed, will be tried again');
        failing = true;
      }
      await wait(everyMs, undefined, { signal }).catch(() => undefined);
    }
  },
});

const purge = async (core: AuthCore): Promise<void> => {
  const beforeMs = core.clock.now() - core.config.endedSessionsKeptMs;
  for (;;) if ((await core.accounts.sessions.purge(beforeMs, purgePage)) < purgePage) return;
};

/** What auth does by itself: hear of ends elsewhere, learn and retire signing keys, remove old sessions. */
export const upkeepOf = (core: AuthCore, logger: Logger): Runnable[] => [
  every('auth revocations', revocationPollMs, logger, () => core.revocations.poll()),
  every('auth signing keys', keyReloadMs, logger, () => core.keys.reload()),
  every('auth old sessions', purgeEveryMs, logger, () => purge(core)),
];
