/** Counts since the start of the process. */
export interface Counters {
  /** Records whose effect was committed. */
  applied: number;
  /** Messages their senders were told are rejected. */
  rejected: number;
  /** Records put aside. */
  deadLettered: number;
  /** How long the last batch took, in milliseconds. */
  lastBatchMs: number;
  lastBatchRecords: number;
}

export interface PersistenceStats extends Counters {
  /** Conversations that wait for an operator. */
  parked: number;
  /** Notices to nodes, of heads and of rejected messages, that were given up. */
  noticesDropped: number;
  /** Records of all shards not yet applied. */
  lag: number;
}
