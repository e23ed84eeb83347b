/**
 * Who gets which shards, as Kafka's classic group protocol carries it: each member tells its leader which shards it has, the
 * leader spreads them (sticky, see balance.ts), and an assignment names partitions, so that Kafka's own tools can read it.
 */
import kafkajs from 'kafkajs';
import { balance } from '../balance.ts';
import type { KafkaTopic } from './layout.ts';

const version = 1;
const { MemberMetadata, MemberAssignment } = kafkajs.AssignerProtocol;

/** What the members of a group must agree on is in the protocol's name: a member with other shards is refused. */
export const protocolName = (shards: number): string => `caas-shards-${shards}`;

export const encodeMember = (topics: readonly KafkaTopic[], held: readonly number[]): Buffer =>
  MemberMetadata.encode({
    version,
    topics: topics.map((topic) => topic.physical),
    userData: Buffer.from(JSON.stringify(held)),
  });

const heldBy = (metadata: Buffer): number[] => {
  const userData = MemberMetadata.decode(metadata)?.userData;
  return userData && userData.length > 0 ? (JSON.parse(userData.toString()) as number[]) : [];
};

/** The leader's part. */
export const assign = (
  members: readonly { memberId: string; memberMetadata: Buffer }[],
  topics: readonly KafkaTopic[],
  shards: number,
): { memberId: string; memberAssignment: Buffer }[] => {
  const owners: (string | undefined)[] = Array.from({ length: shards });
  for (const { memberId, memberMetadata } of members)
    for (const shard of heldBy(memberMetadata)) if (shard < shards) owners[shard] ??= memberId;
  // In an order all leaders share, so that a new leader moves nothing.
  const spread = balance(owners, members.map(({ memberId }) => memberId).sort());
  return members.map(({ memberId }) => {
    const assignment: Record<string, number[]> = {};
    for (const { physical, partitions } of topics)
      assignment[physical] = Array.from({ length: partitions }, (_, p) => p).filter(
        (p) => spread[p % shards] === memberId,
      );
    return { memberId, memberAssignment: MemberAssignment.encode({ version, assignment, userData: Buffer.alloc(0) }) };
  });
};

/** Shards of an assignment; the partitions of a shard are the same in every topic. */
export const shardsOf = (assignment: Buffer, shards: number): number[] => {
  const partitions = Object.values(MemberAssignment.decode(assignment)?.assignment ?? {}).flat();
  return [...new Set(partitions.map((partition) => partition % shards))].sort((a, b) => a - b);
};
