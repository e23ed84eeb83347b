import type { Report } from './report.ts';

export interface BenchOptions {
  /** Length of one window, seconds. */
  seconds: number;
  /** Windows of each target; medians are told. */
  rounds: number;
  /** Socket nodes that members are spread over; undefined: the bench's own. */
  nodes: number | undefined;
  clients: number | undefined;
  conversations: number | undefined;
  /** Sends a sender has in flight in a closed loop. */
  inFlight: number | undefined;
  /** Engine under measure; undefined: the embedded ones. */
  engine: string | undefined;
  /** For CI: one short round. */
  short: boolean;
  /** Writes a CPU profile of the platform's main thread and tells its top functions. */
  profile: boolean;
}

export type Bench = (options: BenchOptions) => Promise<Report>;

export const benches: Readonly<Record<string, () => Promise<Bench>>> = {
  send: async () => (await import('../send.ts')).send,
  seal: async () => (await import('../seal.ts')).seal,
  policy: async () => (await import('../policy.ts')).policy,
  log: async () => (await import('../log.ts')).log,
  fanout: async () => (await import('../fanout.ts')).fanout,
  connect: async () => (await import('../connect.ts')).connect,
  start: async () => (await import('../start.ts')).start,
  persist: async () => (await import('../persist.ts')).persist,
  search: async () => (await import('../search.ts')).search,
};
