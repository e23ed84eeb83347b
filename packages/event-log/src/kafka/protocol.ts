/** What the brokers answer, as kafkajs decodes it; 64-bit numbers are strings. */

interface PartitionCode {
  partition: number;
  errorCode: number;
}

export interface MetadataAnswer {
  brokers: { nodeId: number; host: string; port: number }[];
  topicMetadata: {
    topic: string;
    topicErrorCode: number;
    partitionMetadata: { partitionId: number; leader: number; isr: number[]; replicas: number[] }[];
  }[];
}

/** A record as it is fetched. */
export interface FetchedMessage {
  offset: string;
  timestamp: string;
  key: Buffer | null;
  value: Buffer | null;
  headers: Record<string, Buffer | Buffer[]>;
}

export interface FetchedPartition extends PartitionCode {
  highWatermark: string;
  messages: FetchedMessage[];
}

export interface Answers {
  Metadata: MetadataAnswer;
  InitProducerId: { errorCode: number; producerId: string; producerEpoch: number };
  Produce: { topics: { topicName: string; partitions: (PartitionCode & { baseOffset: string })[] }[] };
  Fetch: { errorCode: number; responses: { topicName: string; partitions: FetchedPartition[] }[] };
  ListOffsets: {
    responses: { topic: string; partitions: (PartitionCode & { offset?: string; offsets?: string[] })[] }[];
  };
  GroupCoordinator: { errorCode: number; coordinator: { nodeId: number } };
  JoinGroup: {
    errorCode: number;
    generationId: number;
    leaderId: string;
    memberId: string;
    members: { memberId: string; memberMetadata: Buffer }[];
  };
  SyncGroup: { errorCode: number; memberAssignment: Buffer };
  Heartbeat: { errorCode: number };
  LeaveGroup: { errorCode: number };
  OffsetCommit: { responses: { topic: string; partitions: PartitionCode[] }[] };
  OffsetFetch: {
    errorCode?: number;
    responses: { topic: string; partitions: (PartitionCode & { offset: string })[] }[];
  };
}
