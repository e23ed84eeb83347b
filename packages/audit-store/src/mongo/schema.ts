/**
 * The audit log as it lies in MongoDB. An entry is a document whose `_id` is its tenant and index, so that two writers can't
 * both have one, and the tree is as large as there are documents without a gap: they are inserted in order, and an insert
 * that fails ends the rest of its batch.
 */
import { type CollectionIndexes, textKey } from '@caas/mongo';
import type { Binary, Collection, Db } from 'mongodb';

export interface EntryRow {
  _id: string;
  tenant: string;
  index: number;
  event: string;
  at: number;
  actor: string;
  subject: string;
  area: string;
  action: string;
  /** Absent: of no trace. */
  trace?: string;
  logged: number;
  leaf: Binary;
  /** The hashes one after the other. */
  subtrees: Binary;
}

export interface CheckpointRow {
  /** The tenant. */
  _id: string;
  treeSize: number;
  rootHash: Binary;
  signedAtMs: number;
  keyId: string;
  signature: Binary;
}

export interface AuditKeyRow {
  _id: string;
  publicJwk: string;
  sealedPrivateKey: Binary;
  createdAtMs: number;
}

/** The indexes of the audit store's collections. Checkpoints and keys are found by `_id` alone. */
export const mongoAuditIndexes: readonly CollectionIndexes[] = [
  {
    collection: 'audit_entries',
    indexes: [
      { name: 'place', key: { tenant: 1, index: 1 } },
      { name: 'event', key: { tenant: 1, event: 1 } },
      { name: 'time', key: { tenant: 1, at: 1, index: 1 } },
      { name: 'actor', key: { tenant: 1, actor: 1, at: 1, index: 1 } },
      { name: 'subject', key: { tenant: 1, subject: 1, at: 1, index: 1 } },
      { name: 'area', key: { tenant: 1, area: 1, at: 1, index: 1 } },
      { name: 'trace', key: { tenant: 1, trace: 1, at: 1, index: 1 } },
    ],
  },
];

export const entriesOf = (db: Db): Collection<EntryRow> => db.collection('audit_entries');
export const checkpointsOf = (db: Db): Collection<CheckpointRow> => db.collection('audit_checkpoints');
export const auditKeysOf = (db: Db): Collection<AuditKeyRow> => db.collection('audit_keys');

export const entryKey = (tenantId: string, index: number): string => textKey(tenantId, String(index));
