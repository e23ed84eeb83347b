import type { JobRecord } from '@caas/privacy-store';
import type { Checkpoint } from '@caas/proto/caas/compliance/v1/audit_service';

/** What is certified. */
export interface Certified {
  sessions: { ended: number; removed: number };
  keys: readonly { keyId: string; destroyedAtMs: number }[];
  goneEverywhereAtMs: number;
  messages: { tombstones: number; chain: string };
  reactions: number;
  conversationsLeft: number;
  heldContents: number;
  media: { count: number; sha256: string; objects: number };
  /** Undefined: the installation has no search. */
  index: { purgedAtMs: number; messages: number } | undefined;
}

/** What stays of a user, said in every certificate. */
const kept = [
  'the pseudonymous user id: in tombstones, memberships with receipt positions, and entries of the audit log',
  'in tombstones: the id their client gave a message, what it was forwarded from, and a keyed hash of what it said',
  'titles, metadata and pictures of conversations, whoever set them',
  'events in the log and its dead letters until their retention ends: what they say can not be read where contents are sealed',
  'addresses of requests in entries of the audit log, which can not be changed',
  'messages of others that mention, quote or forward',
];

/** The text of a certificate; what is in it, docs/compliance/privacy.md tells. */
export const certificateOf = (job: JobRecord, certified: Certified, audit: Checkpoint, nowMs: number): string => {
  const { sessions, keys, messages, media, index } = certified;
  return JSON.stringify(
    {
      type: 'caas-erasure-certificate/v1',
      tenant_id: job.tenantId,
      user_id: job.userId,
      job_id: job.jobId,
      trace_id: job.traceId,
      requested_by: job.startedBy,
      requested_at_ms: job.createdAtMs,
      finished_at_ms: nowMs,
      keys: keys.map(({ keyId, destroyedAtMs }) => ({ key_id: keyId, destroyed_at_ms: destroyedAtMs })),
      keys_gone_everywhere_at_ms: certified.goneEverywhereAtMs,
      sessions,
      profile: 'blanked',
      messages: { tombstones: messages.tombstones, chain_sha256: messages.chain },
      reactions_taken_back: certified.reactions,
      conversations_left: certified.conversationsLeft,
      held_contents_removed: certified.heldContents,
      media: { files: media.count, ids_sha256: media.sha256, objects_deleted: media.objects },
      index: index ? { purged_at_ms: index.purgedAtMs, messages_purged: index.messages } : null,
      audit: { tree_size: audit.treeSize, root_hash: Buffer.from(audit.rootHash).toString('base64') },
      kept,
    },
    undefined,
    2,
  );
};
