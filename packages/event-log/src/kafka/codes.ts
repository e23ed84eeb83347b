import { errorCodes } from 'kafkajs/src/protocol/error.js';

const nameOf = new Map(errorCodes.map(({ code, type }) => [code, type]));

/** Kafka's error codes that decide something here, by their name in the protocol. */
export const Code = {
  unknown: -1,
  none: 0,
  offsetOutOfRange: 1,
  unknownTopicOrPartition: 3,
  leaderNotAvailable: 5,
  notLeader: 6,
  requestTimedOut: 7,
  messageTooLarge: 10,
  coordinatorLoading: 14,
  coordinatorNotAvailable: 15,
  notCoordinator: 16,
  notEnoughReplicas: 19,
  notEnoughReplicasAfterAppend: 20,
  illegalGeneration: 22,
  unknownMember: 25,
  rebalanceInProgress: 27,
  outOfOrderSequence: 45,
  duplicateSequence: 46,
  invalidProducerEpoch: 47,
  storageError: 56,
  unknownProducer: 59,
  memberIdRequired: 79,
} as const;

/** An answer that says no. */
export class KafkaFault extends Error {
  readonly code: number;

  constructor(code: number, doing: string) {
    super(`${doing}: ${nameOf.get(code) ?? 'UNKNOWN'} (${code})`);
    this.name = 'KafkaFault';
    this.code = code;
  }
}

export const check = (code: number, doing: string): void => {
  if (code !== Code.none) throw new KafkaFault(code, doing);
};

/** No connection could be made, so nothing was sent. */
export class NotSent extends Error {
  override readonly name = 'NotSent';
}
