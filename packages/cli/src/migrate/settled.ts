import { setTimeout as sleep } from 'node:timers/promises';
import type { TenantRow } from './ledger.ts';
import { settledAfterMs } from './states.ts';

/** Resolves when nobody writes by the flags of the state before. Never longer than that takes, whatever the clocks say. */
export const settled = async ({ history }: TenantRow, signal: AbortSignal): Promise<void> => {
  const changedAtMs = history.at(-1)?.at.getTime() ?? 0;
  const waitMs = Math.min(settledAfterMs, changedAtMs + settledAfterMs - Date.now());
  if (waitMs > 0) await sleep(waitMs, undefined, { signal });
};
