import type { CallContext } from '@caas/kit/grpc';
import type { ExportAuditRequest, ExportAuditResponse } from '@caas/proto/caas/compliance/v1/audit_service';
import type { ComplianceCore } from '../core.ts';
import { exportPage } from '../limits.ts';

/** Streams all entries of a tenant up to a checkpoint, and the checkpoint last. That it is read is audited first. */
export const exportAudit = ({ audit, checkpoints, writer }: Pick<ComplianceCore, 'audit' | 'checkpoints' | 'writer'>) =>
  async function* (
    { tenantId }: ExportAuditRequest,
    { caller, traceparent }: Pick<CallContext, 'caller' | 'traceparent'>,
  ): AsyncGenerator<ExportAuditResponse> {
    const act = {
      tenantId,
      action: 'audit.exported',
      actor: { kind: 'operator', id: caller },
      subjectId: tenantId,
      traceparent,
    } as const;
    const checkpoint = await writer.first(act, () => checkpoints.current(tenantId));
    for (let from = 0; from < checkpoint.treeSize; from += exportPage) {
      const limit = Math.min(exportPage, checkpoint.treeSize - from);
      const leaves = await audit.trees.leaves(tenantId, from, limit);
      for (const leaf of leaves) yield { item: { $case: 'entry', value: { leaf: Buffer.from(leaf) } } };
    }
    yield { item: { $case: 'checkpoint', value: checkpoint } };
  };
