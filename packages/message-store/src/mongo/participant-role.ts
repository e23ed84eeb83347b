import type { MongoEngine } from '@caas/mongo';
import { ParticipantDocument } from '@caas/proto/caas/events/v1/documents';
import { bounded } from '../limits.ts';
import type { ParticipantRole } from '../port.ts';
import { writeGuarded } from './guarded-writes.ts';
import { byId, decoded, type Selection, select } from './reads.ts';
import { int64, type ParticipantRow, participantId, participantRow, within } from './rows.ts';
import { participantsOf } from './schema.ts';

/** One who has just joined for the first time has received and read nothing. */
const seemsNew = (documents: readonly ParticipantDocument[]): ((row: ParticipantRow) => boolean) => {
  const seen = new Set<string>();
  for (const d of documents) if (d.deliveredSeq > 0 || d.readSeq > 0) seen.add(participantId(d));
  return (row) => !seen.has(row._id);
};

export const participantRole = (engine: MongoEngine): ParticipantRole => {
  const selected = async (selection: Selection<ParticipantRow>): Promise<ParticipantDocument[]> =>
    decoded(ParticipantDocument, await engine.run((db) => select(participantsOf(db), selection, ['body'])));
  const active = (only: boolean) => (only ? { active: true } : {});
  return {
    write: async (documents) => {
      bounded(documents.length);
      if (documents.length === 0) return;
      const rows = documents.map(participantRow);
      await engine.run((db) => writeGuarded(participantsOf(db), rows, seemsNew(documents)));
    },
    getMany: (keys) => engine.run((db) => byId(participantsOf(db), keys.map(participantId), ParticipantDocument)),
    ofConversation: (key, { afterUserId, limit, activeOnly }) => {
      const filter = { ...within(key), user: { $gt: afterUserId }, ...active(activeOnly) };
      return selected({ filter, sort: { user: 1 }, limit });
    },
    ofUser: (tenantId, userId, { afterConversationId, limit, activeOnly }) => {
      const filter = {
        tenant: tenantId,
        user: userId,
        conversation: { $gt: afterConversationId },
        ...active(activeOnly),
      };
      return selected({ filter, sort: { conversation: 1 }, limit });
    },
    changedSince: (key, afterRev, limit) => {
      const filter = { ...within(key), rev: { $gt: int64(afterRev) } };
      return selected({ filter, sort: { rev: 1 }, limit });
    },
    countActive: async (tenantId, userIds) => {
      bounded(userIds.length);
      if (userIds.length === 0) return [];
      const match = { tenant: tenantId, user: { $in: [...new Set(userIds)] }, active: true };
      const groups = await engine.run((db) =>
        participantsOf(db)
          .aggregate<{ _id: string; n: number }>([{ $match: match }, { $group: { _id: '$user', n: { $sum: 1 } } }])
          .toArray(),
      );
      const counts = new Map(groups.map(({ _id, n }) => [_id, n]));
      return userIds.map((userId) => counts.get(userId) ?? 0);
    },
  };
};
