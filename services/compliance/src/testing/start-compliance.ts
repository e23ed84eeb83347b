/** Compliance as tests start it: over real gRPC on a free port, on embedded engines in a folder of the test's own. */
import { join } from 'node:path';
import { openSqliteAuditStore } from '@caas/audit-store';
import { openAuditWriter } from '@caas/compliance-client/audit';
import { openSqliteEventLog, recordOf, Topic } from '@caas/event-log';
import { createGrpcClient, sharedTokenAuth } from '@caas/kit/grpc';
import { createLogger } from '@caas/kit/log';
import { rootKeyFromFile } from '@caas/kit/sealing';
import { openSqliteMessageStore } from '@caas/message-store';
import { openSqlitePolicyStore } from '@caas/policy-store';
import { openSqlitePrivacyStore } from '@caas/privacy-store';
import { AuditServiceService } from '@caas/proto/caas/compliance/v1/audit_service';
import { PolicyServiceService } from '@caas/proto/caas/compliance/v1/policy_service';
import { AuditEvent } from '@caas/proto/caas/events/v1/audit_event';
import { createCompliance } from '../app.ts';
import { complianceConfig } from '../config.ts';
import { privacyClients } from '../privacy/clients.ts';

const serviceAuth = sharedTokenAuth({ token: 'services-of-a-test', operatorToken: 'operator-of-a-test' });
const logger = createLogger({ service: 'compliance', level: 'silent' });
let counter = 0;

/** An event that no other test has. */
export const anEvent = (over: Partial<AuditEvent> = {}): AuditEvent =>
  AuditEvent.fromPartial({
    eventId: `event-${++counter}`,
    tenantId: 'acme',
    atMs: 1_700_000_000_000 + counter,
    service: 'socket',
    actorKind: 1,
    actorId: 'alice',
    action: 'message.deleted',
    subjectKind: 'message',
    subjectId: `m${counter}`,
    outcome: 1,
    ...over,
  });

export const recordFor = (event: AuditEvent, key = event.tenantId) =>
  recordOf(Topic.auditLog, 'AuditEvent', event.tenantId, key, AuditEvent.encode(event).finish(), '');

export const startCompliance = async (folder: string, grpcAddress = '127.0.0.1:0') => {
  const log = await openSqliteEventLog({ file: join(folder, 'log.db') });
  const audit = await openSqliteAuditStore({ file: join(folder, 'audit.db') });
  const policies = await openSqlitePolicyStore({ file: join(folder, 'policies.db') });
  const privacy = await openSqlitePrivacyStore({ file: join(folder, 'privacy.db') });
  const messages = await openSqliteMessageStore({ file: join(folder, 'messages.db') });
  const config = { ...complianceConfig({}), grpcAddress, checkpointIntervalMs: 100 };
  // Nobody is there: the audit log asks none of them.
  const clients = privacyClients(config, serviceAuth, logger);
  const closed = (): Promise<unknown> => {
    clients.close();
    return Promise.all([log, audit, policies, privacy, messages].map((each) => each.close()));
  };
  const compliance = await createCompliance({
    log,
    audit,
    policies,
    privacy,
    messages,
    clients,
    writer: await openAuditWriter({ log, service: 'compliance', folder: join(folder, 'audit'), logger }),
    rootKey: await rootKeyFromFile(join(folder, 'keys', 'root.key')),
    serviceAuth,
    config,
    logger,
  }).catch(async (error: unknown) => {
    await closed();
    throw error;
  });
  const stopping = new AbortController();
  const running = compliance.run(stopping.signal);
  const clientOf = (callerName: string) =>
    createGrpcClient(AuditServiceService, { address: compliance.address, auth: serviceAuth, callerName, logger });
  const [operator, socket] = [clientOf('operator'), clientOf('socket')];
  const policyClientOf = (callerName: string) =>
    createGrpcClient(PolicyServiceService, { address: compliance.address, auth: serviceAuth, callerName, logger });
  const policy = { operator: policyClientOf('operator'), socket: policyClientOf('socket') };
  let stopped: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    for (const client of [operator, socket, policy.operator, policy.socket]) client.close();
    stopping.abort();
    await running;
    await closed();
  };
  return {
    address: compliance.address,
    log,
    audit,
    operator,
    /** A service that may not read the audit log. */
    socket,
    /** PolicyService, as an operator and as a node call it. */
    policy,
    /** A client of PolicyService that outlives the service; the caller closes it. */
    policyClientOf,
    policies,
    /** Appends events to audit.log. */
    tell: (...events: AuditEvent[]) => log.append(events.map((event) => recordFor(event))),
    /** Stops serving, orderly; idempotent. */
    stop: (): Promise<void> => {
      stopped ??= stop();
      return stopped;
    },
  };
};

export type ComplianceUnderTest = Awaited<ReturnType<typeof startCompliance>>;
