/** What crosses between the two threads. */

export interface ThreadOptions {
  file: string;
  /** URL of the handler module. */
  module: string;
  /** Passed to the handler module's `open`. */
  options: unknown;
  busyTimeoutMs: number;
  exclusive: boolean;
}

export type ToThread = { kind: 'call'; id: number; method: string; args: unknown } | { kind: 'close' };

export type FromThread =
  | { kind: 'ready' }
  /** The database could not be opened; the thread ends after this. */
  | { kind: 'broken'; fault: Fault }
  | { kind: 'result'; id: number; value: unknown }
  | { kind: 'fault'; id: number; fault: Fault };

/** An error as it crosses the threads: class and own fields would be lost in a structured clone. */
export interface Fault {
  message: string;
  stack: string | undefined;
  /** SQLite's extended result code, when the error is SQLite's. */
  sqliteCode: number | undefined;
}
