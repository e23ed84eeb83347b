import { setTimeout as wait } from 'node:timers/promises';
import type { MediaRecord } from '@caas/media-store';
import type { MediaCore } from '../core.ts';
import { duePage, duePollMs, sweepAfterMs } from '../limits.ts';
import {
  deleted,
  MEDIA_STATE_COMMITTED,
  MEDIA_STATE_PROCESSING,
  MEDIA_STATE_UPLOADING,
  partsPrefix,
  prefixesOf,
} from '../model.ts';

/** What is to be done with a record that is due. */
const attend = async (core: MediaCore, record: MediaRecord): Promise<void> => {
  if (record.state === MEDIA_STATE_PROCESSING) {
    // Whoever had it is gone.
    void core.processing.process(record);
    return;
  }
  if (record.state === MEDIA_STATE_UPLOADING) {
    if (await core.store.replace(deleted(record, core.clock.now() + sweepAfterMs)))
      await core.objects.deletePrefix(partsPrefix(record));
    return;
  }
  // What arrived or was made while its record ended.
  const swept = record.state === MEDIA_STATE_COMMITTED ? [partsPrefix(record)] : prefixesOf(record);
  for (const prefix of swept) await core.objects.deletePrefix(prefix);
  await core.store.replace({ ...record, dueAtMs: 0 });
};

/** Looks after what is due, until the signal; a failure is logged when it begins and when it ends. */
export const attendingToDue =
  (core: MediaCore) =>
  async (signal: AbortSignal): Promise<void> => {
    let failing = false;
    while (!signal.aborted) {
      try {
        for (const record of await core.store.due(core.clock.now(), duePage)) {
          if (signal.aborted) return;
          await attend(core, record);
        }
        if (failing) core.logger.info('media that is due is looked after again');
        failing = false;
      } catch (err) {
        if (!failing) core.logger.warn({ err }, 'media that is due can’t be looked after');
        failing = true;
      }
      await wait(duePollMs, undefined, { signal }).catch(() => undefined);
    }
  };
