/** Time as services see it, so that tests can move it. */
export interface Clock {
  /** UTC milliseconds since 1970. */
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };
