import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import {
  kafkaOf,
  kafkaVariables,
  mongoOf,
  mongoVariables,
  openLog,
  openMessages,
  openSearchIndex,
  openSearchOf,
  openSearchVariables,
} from '@caas/engines';
import type { Services } from '@caas/infra';
import { loadConfig } from '@caas/kit/config';
import { createLogger } from '@caas/kit/log';
import { AuditServiceService } from '@caas/proto/caas/compliance/v1/audit_service';
import { auditOver, type TraceRecords } from '@caas/trace';
import { z } from 'zod';

const schema = z.object({ ...kafkaVariables, ...mongoVariables, ...openSearchVariables });

async function* linesOf(files: readonly string[]): AsyncGenerator<string> {
  for (const file of files)
    yield* createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY });
}

/** What services as processes keep: the engines `env` leads to, the files they log to, and the audit log over gRPC. */
export const distributedRecords = async (
  env: Readonly<Record<string, string>>,
  { processes, asOperator, complianceAddress }: Services,
): Promise<{ records: TraceRecords; close(): Promise<void> }> => {
  const settings = loadConfig('demo', schema as z.ZodType<z.output<typeof schema>>, env);
  const engines = { kafka: kafkaOf(settings), mongo: mongoOf(settings), openSearch: openSearchOf(settings) };
  const quiet = createLogger({ service: 'demo', level: 'silent' });
  const [log, store, index] = await Promise.all([
    openLog(engines, '', quiet),
    openMessages(engines, ''),
    openSearchIndex(engines, '', quiet),
  ]);
  const compliance = asOperator(AuditServiceService, complianceAddress);
  const files = processes.map(({ logFile }) => logFile);
  return {
    records: { lines: () => linesOf(files), log, store, index, audit: auditOver(compliance) },
    async close() {
      compliance.close();
      await Promise.all([log.close(), store.close(), index.close()]);
    },
  };
};
