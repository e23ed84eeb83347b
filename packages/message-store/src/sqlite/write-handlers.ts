import type { DatabaseSync } from 'node:sqlite';
import { inTransaction } from '@caas/sqlite/handler';
import { ConversationRefs, type FlatKeys } from './conversation-refs.ts';
import { partsOf } from './packed-rows.ts';

/** Message documents as columns; `conversations` are the distinct ones, `nums` has `messageNums` numbers a document. */
export interface MessageRows {
  conversations: FlatKeys;
  messageIds: string[];
  senderIds: string[];
  /** Empty: none. */
  threadRootIds: string[];
  nums: Float64Array;
  bodies: Uint8Array;
}
/** conversation index, seq, rev, epoch, deleted, pinned_at_ms. */
export const messageNums = 6;

export interface ParticipantRows {
  conversations: FlatKeys;
  userIds: string[];
  nums: Float64Array;
  bodies: Uint8Array;
}
/** conversation index, active, rev, epoch. */
export const participantNums = 4;

export interface CommitRows {
  conversations: FlatKeys;
  nums: Float64Array;
  bodies: Uint8Array;
}
/** expected head_rev, head_rev, epoch. */
export const commitNums = 3;

export interface HiddenRows {
  conversations: FlatKeys;
  userIds: string[];
  messageIds: string[];
  nums: Float64Array;
}
/** conversation index, seq, rev. */
export const hiddenNums = 3;

/** SQLite's page cache in the writing thread, in KiB: message ids are random, so inserts touch pages all over. */
export const writeCacheKiB = 65_536;
/** Pages of 4 KiB in the write-ahead log before they are moved to the file. */
export const checkpointPages = 4_000;

const messageWriter = (db: DatabaseSync, refs: ConversationRefs) => {
  const put = db.prepare(
    `INSERT INTO message (conv, message_id, seq, rev, epoch, sender_id, deleted, thread_root_id, pinned_at_ms, body)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (conv, message_id) DO UPDATE SET seq = excluded.seq, rev = excluded.rev, epoch = excluded.epoch,
       sender_id = excluded.sender_id, deleted = excluded.deleted, thread_root_id = excluded.thread_root_id,
       pinned_at_ms = excluded.pinned_at_ms, body = excluded.body
     WHERE message.epoch <= excluded.epoch`,
  );
  return ({ conversations, nums, messageIds, senderIds, threadRootIds, bodies }: MessageRows): void => {
    const convs = refs.giveAll(conversations);
    let i = 0;
    for (const body of partsOf(bodies)) {
      const at = i * messageNums;
      put.run(
        convs[nums[at] as number] as number,
        messageIds[i] as string,
        nums[at + 1] as number,
        nums[at + 2] as number,
        nums[at + 3] as number,
        senderIds[i] as string,
        nums[at + 4] as number,
        threadRootIds[i] || null,
        nums[at + 5] || null,
        body,
      );
      i += 1;
    }
  };
};

const participantWriter = (db: DatabaseSync, refs: ConversationRefs) => {
  const put = db.prepare(
    `INSERT INTO participant (conv, user_id, tenant_id, conversation_id, active, rev, epoch, body)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (conv, user_id) DO UPDATE SET active = excluded.active, rev = excluded.rev, epoch = excluded.epoch,
       body = excluded.body
     WHERE participant.epoch <= excluded.epoch`,
  );
  return ({ conversations, nums, userIds, bodies }: ParticipantRows): void => {
    const convs = refs.giveAll(conversations);
    let i = 0;
    for (const body of partsOf(bodies)) {
      const at = i * participantNums;
      const c = nums[at] as number;
      put.run(
        convs[c] as number,
        userIds[i] as string,
        conversations[c * 2] as string,
        conversations[c * 2 + 1] as string,
        nums[at + 1] as number,
        nums[at + 2] as number,
        nums[at + 3] as number,
        body,
      );
      i += 1;
    }
  };
};

const hiddenWriter = (db: DatabaseSync, refs: ConversationRefs) => {
  const put = db.prepare(
    `INSERT INTO hidden (conv, user_id, message_id, seq, rev) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (conv, user_id, message_id) DO UPDATE SET rev = max(rev, excluded.rev)`,
  );
  return ({ conversations, nums, userIds, messageIds }: HiddenRows): void => {
    const convs = refs.giveAll(conversations);
    for (const [i, userId] of userIds.entries()) {
      const [c, seq, rev] = nums.subarray(i * hiddenNums, (i + 1) * hiddenNums);
      put.run(convs[c as number] as number, userId, messageIds[i] as string, seq as number, rev as number);
    }
  };
};

/** The compare-and-set of heads: step 2, which makes a batch what readers see. */
const headMover = (db: DatabaseSync, refs: ConversationRefs) => {
  const create = db.prepare('INSERT INTO conversation VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING');
  const move = db.prepare(
    'UPDATE conversation SET head_rev = ?, epoch = ?, body = ? WHERE conv = ? AND head_rev = ? AND epoch <= ?',
  );
  return ({ conversations, nums, bodies }: CommitRows): boolean[] => {
    const convs = refs.giveAll(conversations);
    return [...partsOf(bodies)].map((body, i) => {
      const [expected, headRev, epoch] = nums.subarray(i * commitNums, (i + 1) * commitNums) as unknown as [
        number,
        number,
        number,
      ];
      const conv = convs[i] as number;
      const { changes } =
        expected === 0 ? create.run(conv, headRev, epoch, body) : move.run(headRev, epoch, body, conv, expected, epoch);
      return Number(changes) === 1;
    });
  };
};

/** Epochs of shards, and how much of the log is in the store (ADR 14). */
const shardClaims = (db: DatabaseSync) => {
  const claim = db.prepare(
    `INSERT INTO shard_claim (shard, epoch) VALUES (?, (SELECT coalesce(max(epoch), 0) + 1 FROM shard_claim))
     ON CONFLICT (shard) DO UPDATE SET epoch = excluded.epoch RETURNING epoch`,
  );
  const position = db.prepare('SELECT position FROM shard_claim WHERE shard = ?');
  const keep = db.prepare('UPDATE shard_claim SET position = ? WHERE shard = ? AND epoch = ?');
  return {
    claim: (shard: number): number => claim.get(shard)?.['epoch'] as number,
    position: (shard: number): Record<string, number> =>
      JSON.parse((position.get(shard)?.['position'] as string | undefined) ?? '{}'),
    keep: (at: { shard: number; epoch: number; position: Readonly<Record<string, number>> }): boolean =>
      Number(keep.run(JSON.stringify(at.position), at.shard, at.epoch).changes) > 0,
  };
};

/** The only writer of the database. One transaction a call, so that its fsync is paid once. */
export const openWriteHandlers = (db: DatabaseSync) => {
  db.exec(`PRAGMA cache_size = -${writeCacheKiB}; PRAGMA wal_autocheckpoint = ${checkpointPages}`);
  const refs = new ConversationRefs(db);
  const inOne =
    <A, R>(work: (argument: A) => R) =>
    (argument: A): R => {
      try {
        return inTransaction(db, () => work(argument));
      } catch (thrown) {
        refs.forget();
        throw thrown;
      }
    };
  const shards = shardClaims(db);
  return {
    writeMessages: inOne(messageWriter(db, refs)),
    writeParticipants: inOne(participantWriter(db, refs)),
    hide: inOne(hiddenWriter(db, refs)),
    /** Per commit true when it took place. */
    commit: inOne(headMover(db, refs)),
    claimShard: inOne(shards.claim),
    shardPosition: shards.position,
    keepShardPosition: inOne(shards.keep),
  };
};
