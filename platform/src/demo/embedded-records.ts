import { newSecret } from '@caas/kit';
import { createGrpcClient, operator, sharedTokenAuth } from '@caas/kit/grpc';
import { createLogger } from '@caas/kit/log';
import { AuditServiceService } from '@caas/proto/caas/compliance/v1/audit_service';
import { auditOver, type TraceRecords } from '@caas/trace';
import type { Engines, Platform, PlatformOptions } from '../start.ts';

/** Log lines kept; the oldest go. */
const maxLines = 20_000;
/** Levels of lines that are shown besides. */
const loud = /^\{"level":"(error|fatal)"/;

/** What a platform inside this process keeps: its engines, the lines it logs, and its audit log over gRPC. */
export const embeddedRecords = () => {
  const lines: string[] = [];
  let engines: Engines | undefined;
  const operatorToken = newSecret();
  const options = {
    operatorToken,
    between: (own: Engines): Engines => {
      engines = own;
      return own;
    },
    logDestination: {
      write(line: string): void {
        if (loud.test(line)) process.stdout.write(line);
        lines.push(line);
        if (lines.length > maxLines) lines.shift();
      },
    },
  } satisfies Partial<PlatformOptions>;
  const of = ({ complianceAddress }: Pick<Platform, 'complianceAddress'>) => {
    const compliance = createGrpcClient(AuditServiceService, {
      address: complianceAddress,
      // The operator's own token is all it has of them.
      auth: sharedTokenAuth({ token: newSecret(), operatorToken }),
      callerName: operator,
      logger: createLogger({ service: operator, level: 'silent' }),
    });
    const { log, store, index } = engines as Engines;
    const records: TraceRecords = { lines: () => lines, log, store, index, audit: auditOver(compliance) };
    return { records, close: () => compliance.close() };
  };
  return { options, of };
};
