import type { AuditStore } from '@caas/audit-store';
import type { AuditWriter } from '@caas/compliance-client/audit';
import type { Clock, Logger } from '@caas/kit';
import type { Checkpoints } from './audit/checkpoints.ts';

/** What the commands share. */
export interface ComplianceCore {
  readonly audit: AuditStore;
  readonly checkpoints: Checkpoints;
  /** Where compliance itself tells what it does. */
  readonly writer: AuditWriter;
  readonly clock: Clock;
  readonly logger: Logger;
}
