import type { AuditStore } from '@caas/audit-store';
import type { AuditWriter } from '@caas/compliance-client/audit';
import type { Clock, Logger } from '@caas/kit';
import type { Checkpoints } from './audit/checkpoints.ts';
import type { Policies } from './policy/policies.ts';
import type { Reviewer } from './policy/reviewer.ts';

/** What the commands share. */
export interface ComplianceCore {
  readonly audit: AuditStore;
  readonly checkpoints: Checkpoints;
  readonly policies: Policies;
  readonly reviewer: Reviewer;
  /** Where compliance itself tells what it does. */
  readonly writer: AuditWriter;
  readonly clock: Clock;
  readonly logger: Logger;
}
