import { installationTenant } from '@caas/compliance-client/audit';
import { type CaasError, isPassing } from '@caas/kit';
import type { Claims } from '@caas/proto/caas/common/v1/claims';
import type { NodeServices } from '../commands/command.ts';

/** Who asks to come in, as far as the handshake tells. */
export interface Caller {
  traceparent: string;
  /** Address of the peer; behind a proxy, the proxy's. */
  remoteAddress: string;
}

type Node = Pick<NodeServices, 'audit' | 'nodeId'>;

/** Tells the audit log that a user has come in. */
export const auditEntry = ({ audit, nodeId }: Node, claims: Claims, caller: Caller): void => {
  const { tenantId, userId, sessionId } = claims;
  audit.record({
    tenantId,
    action: 'connection.opened',
    actor: { kind: 'user', id: userId },
    subjectId: sessionId,
    details: { node_id: nodeId },
    ...caller,
  });
};

/** Tells the audit log that somebody was not let in; what may go better later is no act of anybody. */
export const auditRefusal = (
  { audit, nodeId }: Node,
  claims: Claims | undefined,
  caller: Caller,
  error: CaasError,
): void => {
  if (isPassing(error)) return;
  audit.record({
    tenantId: claims?.tenantId ?? installationTenant,
    action: 'connection.refused',
    actor: { kind: 'user', id: claims?.userId ?? '' },
    subjectId: claims?.sessionId ?? '',
    reason: error.reason,
    details: { node_id: nodeId },
    ...caller,
  });
};
