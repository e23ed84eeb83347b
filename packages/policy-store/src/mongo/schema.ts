/**
 * Policies as they lie in MongoDB: a document a version, whose `_id` is its tenant and number, so that of two writers one
 * has it; and a document for each content that is held.
 */
import { type CollectionIndexes, textKey } from '@caas/mongo';
import type { Binary, Collection, Db } from 'mongodb';

export interface PolicyRow {
  _id: string;
  tenant: string;
  version: number;
  policy: Binary;
  putAtMs: number;
}

export interface HeldRow {
  _id: string;
  tenant: string;
  heldId: string;
  senderId: string;
  heldAtMs: number;
  content: Binary;
}

export const mongoPolicyIndexes: readonly CollectionIndexes[] = [
  { collection: 'policies', indexes: [{ name: 'version', key: { tenant: 1, version: 1 } }] },
  {
    collection: 'held_contents',
    indexes: [
      { name: 'order', key: { tenant: 1, heldAtMs: 1, heldId: 1 } },
      { name: 'sender', key: { tenant: 1, senderId: 1 } },
    ],
  },
];

export const policiesOf = (db: Db): Collection<PolicyRow> => db.collection('policies');

export const policyKey = (tenantId: string, version: number): string => textKey(tenantId, String(version));

export const heldIn = (db: Db): Collection<HeldRow> => db.collection('held_contents');

export const heldKey = (tenantId: string, heldId: string): string => textKey(tenantId, heldId);
