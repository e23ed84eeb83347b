import type { GrpcClient } from '@caas/kit/grpc';
import type { AuditEntry, AuditServiceService } from '@caas/proto/caas/compliance/v1/audit_service';

/** Entries of one trace at most. */
const maxEntries = 1_000;

/** The audit log of compliance, asked as an operator. */
export const auditOver =
  (client: Pick<GrpcClient<typeof AuditServiceService>, 'queryAudit'>) =>
  async (tenantId: string, traceId: string): Promise<readonly AuditEntry[]> => {
    const any = { actorId: '', subjectId: '', action: '', fromMs: 0, untilMs: 0, cursor: '' };
    return (await client.queryAudit({ tenantId, traceId, limit: maxEntries, ...any })).entries;
  };
