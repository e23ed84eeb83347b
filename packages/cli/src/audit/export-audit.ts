import { checkpointLine, entryLine } from '@caas/compliance-client/verify';
import { CaasError } from '@caas/kit';
import { createGrpcClient, mutualTls, operator, type ServiceAuth, sharedTokenAuth } from '@caas/kit/grpc';
import { createLogger } from '@caas/kit/log';
import { AuditServiceService, type Checkpoint } from '@caas/proto/caas/compliance/v1/audit_service';
import type { AuditConfig } from './config.ts';
import { writeLines } from './files.ts';

export interface Exported {
  entries: number;
  checkpoint: Checkpoint;
}

/** How an operator proves to compliance who they are. */
export const authOf = ({ tlsDir, operatorToken }: AuditConfig): ServiceAuth =>
  tlsDir === undefined
    ? // The operator's own token is all it has of them.
      sharedTokenAuth({ token: `not-${operatorToken}`, operatorToken })
    : mutualTls({ dir: tlsDir, service: operator, operatorToken });

/** Writes a tenant's whole audit log to a file; its last line is the checkpoint. */
export const exportAudit = async (
  config: AuditConfig,
  {
    tenantId,
    file,
    signal,
    onProgress,
  }: { tenantId: string; file: string; signal: AbortSignal; onProgress(entries: number): void },
): Promise<Exported> => {
  const client = createGrpcClient(AuditServiceService, {
    address: config.address,
    auth: authOf(config),
    callerName: operator,
    logger: createLogger({ service: operator, level: 'silent' }),
  });
  let entries = 0;
  let checkpoint: Checkpoint | undefined;
  async function* lines(): AsyncGenerator<string> {
    for await (const { item } of client.exportAudit({ tenantId }, { signal })) {
      if (item?.$case === 'entry') {
        entries += 1;
        onProgress(entries);
        yield entryLine(item.value.leaf);
      } else if (item) {
        checkpoint = item.value;
        yield checkpointLine(item.value);
      }
    }
  }
  try {
    await writeLines(file, lines());
  } finally {
    client.close();
  }
  if (!checkpoint) throw new CaasError('UNAVAILABLE', 'the export ended before its checkpoint');
  return { entries, checkpoint };
};
