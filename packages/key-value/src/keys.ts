/**
 * Keys of the shared key-value store. Every part is percent-encoded, so that no two lists of parts give the same key
 * whatever ids contain; the first part says which Redis pattern the key falls under.
 */
const key = (kind: string, ...parts: readonly string[]): string => `${kind}:${parts.map(encodeURIComponent).join(':')}`;

/** Set of starts of nodes that have members of a conversation online. */
export const interestKey = (tenantId: string, conversationId: string): string =>
  key('interest', tenantId, conversationId);
/** Set of starts of nodes a user is connected to. */
export const userNodesKey = (tenantId: string, userId: string): string => key('user-nodes', tenantId, userId);
/** Set of a user's open connections, over all nodes; falls under the pattern of the user's nodes. */
export const userConnectionsKey = (tenantId: string, userId: string): string =>
  key('user-nodes', tenantId, userId, 'connections');
/** Set of memberships a user is about to get, over all nodes; falls under the pattern of the user's nodes. */
export const userJoinsKey = (tenantId: string, userId: string): string => key('user-nodes', tenantId, userId, 'joins');
/** When a user was last seen, UTC milliseconds as decimal text. */
export const presenceKey = (tenantId: string, userId: string): string => key('presence', tenantId, userId);
/** Set of starts of nodes that have somebody who watches a user's presence. */
export const watchersKey = (tenantId: string, userId: string): string => key('watchers', tenantId, userId);
/** Canary of a node: there while the node lives and the store has not lost its keys. Its value names the node's start. */
export const nodeKey = (nodeId: string): string => key('node', nodeId);
/** Count of a rate limit's window; `subject` is what it is counted for. */
export const rateKey = (rule: string, subject: string): string => key('rate', rule, subject);
/** Channel of a node's envelopes. */
export const inboxChannel = (nodeId: string): string => key('inbox', nodeId);
