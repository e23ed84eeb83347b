import type { Clock } from '@caas/kit';

/** A step of the time of day past the monotonic clock's that counts as time the machine slept, in milliseconds. */
const sleptMs = 1_000;

/** Time that goes on while the machine sleeps, and never goes back: what may be used for a while is over then, too. */
export const awakeClock = (): Clock => {
  let [lastMs, lastDayMs, slept] = [performance.now(), Date.now(), 0];
  return {
    now: () => {
      const [nowMs, dayMs] = [performance.now(), Date.now()];
      const missedMs = dayMs - lastDayMs - (nowMs - lastMs);
      if (missedMs > sleptMs) slept += missedMs;
      [lastMs, lastDayMs] = [nowMs, dayMs];
      return nowMs + slept;
    },
  };
};
