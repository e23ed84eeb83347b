import { interestKey, type KeyValue, type LivingNodes, type NodeInbox, userNodesKey } from '@caas/key-value';
import type { Rejection } from './apply/model.ts';
import { encodeNotice, encodeRejected, envelopesOf, type Notice } from './envelopes.ts';

/** What the nodes are told after a batch. */
export interface News {
  notices: readonly NoticeFor[];
  rejections: readonly Rejection[];
}

export interface NoticeFor extends Notice {
  /** Users who came or went: their nodes may not be interested yet, or any more. */
  affectedUsers: readonly string[];
  /** Nodes that accepted messages of the batch. */
  nodeIds: ReadonlySet<string>;
}

/**
 * Tells every living node that has to do with a conversation about its new head: one look-up and one envelope a node for the whole
 * batch. Best effort: what is lost here, nodes find by comparing heads. Rejects when a node or the key-value store does.
 */
export const notifyNodes = async (
  keyValue: KeyValue,
  living: LivingNodes,
  inbox: NodeInbox,
  { notices, rejections }: News,
): Promise<void> => {
  const keys: string[] = [];
  for (const { conversation, affectedUsers } of notices) {
    const { tenantId, conversationId } = conversation;
    keys.push(interestKey(tenantId, conversationId));
    for (const userId of affectedUsers) keys.push(userNodesKey(tenantId, userId));
  }
  for (const { rejected } of rejections) keys.push(userNodesKey(rejected.tenantId, rejected.senderId));
  const members = keys.length === 0 ? [] : await keyValue.membersOf(keys);
  const nodes = members.map((ofKey) => living.nodesOf(ofKey));

  const entries = new Map<string, Uint8Array[]>();
  const tell = (nodeIds: ReadonlySet<string>, encode: () => Uint8Array): void => {
    if (nodeIds.size === 0) return;
    const entry = encode();
    for (const nodeId of nodeIds) {
      const list = entries.get(nodeId);
      if (list) list.push(entry);
      else entries.set(nodeId, [entry]);
    }
  };
  // Rejections before heads, which may say no more than that what was rejected is not there.
  let at = notices.reduce((keysOf, { affectedUsers }) => keysOf + 1 + affectedUsers.length, 0);
  for (const { rejected, nodeId } of rejections) {
    const concerned = new Set(nodes[at++] ?? []);
    if (nodeId !== '') concerned.add(nodeId);
    tell(concerned, () => encodeRejected(rejected));
  }
  at = 0;
  for (const notice of notices) {
    const interested = new Set([...notice.nodeIds].filter((nodeId) => nodeId !== ''));
    for (let i = 0; i < 1 + notice.affectedUsers.length; i += 1)
      for (const id of nodes[at + i] ?? []) interested.add(id);
    at += 1 + notice.affectedUsers.length;
    tell(interested, () => encodeNotice(notice));
  }

  const sends: Promise<void>[] = [];
  for (const [nodeId, list] of entries)
    for (const envelope of envelopesOf(list)) sends.push(inbox.send(nodeId, envelope));
  const failed = (await Promise.allSettled(sends)).find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
};
