/**
 * One start of a node. What it registered is void when the node is gone, and when it is back as another start: that one has
 * registered anew what it serves.
 */
export interface NodeStart {
  nodeId: string;
  /** Unique among all starts. */
  startId: string;
}

/** How a start is named in sets; with `thing`, how something it has is, such as a connection. */
export const startMember = ({ nodeId, startId }: NodeStart, ...thing: readonly string[]): string =>
  [nodeId, startId, ...thing].map(encodeURIComponent).join('/');

/** The start that is named, or has what is named. */
export const startOf = (member: string): NodeStart => {
  const [nodeId = '', startId = ''] = member.split('/', 2).map(decodeURIComponent);
  return { nodeId, startId };
};
