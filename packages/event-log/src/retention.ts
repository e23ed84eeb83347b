import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '@caas/kit';
import type { SqliteHost } from '@caas/sqlite';
import type { TopicSpec } from './port.ts';
import type { SlotTable } from './slots.ts';
import type { LogThread } from './sqlite-event-log-worker.ts';

/** Rows and bytes one transaction deletes, so that an append waits for few milliseconds. */
const trimSlice = { maxRows: 512, maxBytes: 4 * 1024 * 1024 };
/** Pause between two such transactions, in milliseconds. */
const trimPauseMs = 5;

/**
 * Deletes what is past its topic's retention and what every group has had, in slices; `slot.first` follows. Resolves with
 * the groups that hold back what is past its time: until they have had it, it stays, and the file grows; when the disk is
 * full, appends are refused and nothing that was accepted is lost. Stops between slices when `signal` fires.
 */
export const trimExpired = async (
  host: SqliteHost<LogThread>,
  slots: SlotTable,
  topics: readonly TopicSpec[],
  clock: Clock,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> => {
  const holders = new Set<string>();
  for (const topic of topics) {
    const beforeMs = clock.now() - topic.retentionMs;
    for (const slot of slots.ofTopic(topic.name)) {
      let more = slot.first < slot.next;
      while (more && !signal.aborted) {
        const trimmed = await host.call('trim', { slot: slot.id, beforeMs, ...trimSlice });
        slot.first = Math.max(slot.first, trimmed.first);
        more = trimmed.more;
        if (trimmed.heldBy !== undefined) holders.add(trimmed.heldBy);
        await sleep(trimPauseMs);
      }
    }
  }
  return holders;
};
