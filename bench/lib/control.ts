/** What the generator says to a server it has started, and hears back, over the IPC channel. */
export type Ask = 'usage' | 'gc' | 'profile' | 'stop' | { profiledInto: string };

export interface Usage {
  /** CPU of the process with all its threads, seconds. */
  cpuSeconds: number;
  /** Resident set, bytes. */
  rssBytes: number;
  /** Heap in use and memory that objects of it hold outside, bytes. */
  heapBytes: number;
  /** CPU by process, seconds, of a server that is several. */
  processes?: Record<string, number>;
}

export type Answer = { kind: 'ready'; info: unknown } | { kind: 'answer'; value: unknown };
