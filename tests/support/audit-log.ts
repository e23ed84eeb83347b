import { createGrpcClient, type GrpcClient, sharedTokenAuth } from '@caas/kit/grpc';
import { createLogger } from '@caas/kit/log';
import type { Platform } from '@caas/platform';
import {
  type AuditEntry,
  AuditServiceService,
  type QueryAuditRequest,
} from '@caas/proto/caas/compliance/v1/audit_service';
import { operatorToken } from './tenants.ts';

/** The audit log of a platform as an operator reads it. */
export interface AuditLog {
  client: GrpcClient<typeof AuditServiceService>;
  /** All entries that a query finds, newest first. */
  find(tenantId: string, query?: Partial<QueryAuditRequest>): Promise<AuditEntry[]>;
  close(): void;
}

const noQuery = { actorId: '', subjectId: '', action: '', traceId: '', fromMs: 0, untilMs: 0, limit: 1_000 };

export const auditLogOf = ({ complianceAddress }: Pick<Platform, 'complianceAddress'>): AuditLog => {
  const client = createGrpcClient(AuditServiceService, {
    address: complianceAddress,
    auth: sharedTokenAuth({ token: 'not-the-services-token', operatorToken }),
    callerName: 'operator',
    logger: createLogger({ service: 'test', level: 'silent' }),
  });
  return {
    client,
    async find(tenantId, query = {}) {
      const found: AuditEntry[] = [];
      let cursor = '';
      do {
        const page = await client.queryAudit({ tenantId, ...noQuery, ...query, cursor });
        found.push(...page.entries);
        cursor = page.nextCursor;
      } while (cursor !== '');
      return found;
    },
    close: () => client.close(),
  };
};
