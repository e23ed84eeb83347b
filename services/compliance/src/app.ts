import type { AuditStore } from '@caas/audit-store';
import type { AuditWriter } from '@caas/compliance-client/audit';
import type { EventLog } from '@caas/event-log';
import { type Clock, type Runnable, runAll, systemClock } from '@caas/kit';
import { ConfigError } from '@caas/kit/config';
import { createGrpcServer, type GrpcServer, type ServiceAuth, service } from '@caas/kit/grpc';
import type { Logger } from '@caas/kit/log';
import { isSealedByAnother, type RootKey } from '@caas/kit/sealing';
import { SigningKeys } from '@caas/kit/signing-keys';
import type { MessageStore } from '@caas/message-store';
import type { PolicyStore } from '@caas/policy-store';
import type { PrivacyStore } from '@caas/privacy-store';
import { AuditServiceService } from '@caas/proto/caas/compliance/v1/audit_service';
import { PolicyServiceService } from '@caas/proto/caas/compliance/v1/policy_service';
import { Checkpoints } from './audit/checkpoints.ts';
import { AuditConsumer } from './audit/consumer.ts';
import { Trees } from './audit/trees.ts';
import { exportAudit } from './commands/export-audit.ts';
import { getCheckpoint } from './commands/get-checkpoint.ts';
import { getPolicy } from './commands/get-policy.ts';
import { holdContent } from './commands/hold-content.ts';
import { listHeldContents } from './commands/list-held-contents.ts';
import { proveConsistency } from './commands/prove-consistency.ts';
import { proveInclusion } from './commands/prove-inclusion.ts';
import { putPolicy } from './commands/put-policy.ts';
import { queryAudit } from './commands/query-audit.ts';
import { reviewContent } from './commands/review-content.ts';
import { watchPolicies } from './commands/watch-policies.ts';
import type { ComplianceConfig } from './config.ts';
import type { ComplianceCore } from './core.ts';
import { Policies } from './policy/policies.ts';
import { RuleReviewer } from './policy/reviewer.ts';
import type { PrivacyClients } from './privacy/clients.ts';
import { privacyOf } from './privacy/privacy.ts';
import { privacyService } from './privacy/serve.ts';

export interface CompliancePorts {
  /** Owned, and closed, by the caller, as are `audit` and `policies`. */
  log: EventLog;
  audit: AuditStore;
  policies: PolicyStore;
  /** Jobs, holds and rules of privacy; closed by the caller, as are the three after it. */
  privacy: PrivacyStore;
  /** Read only. */
  messages: MessageStore;
  /** Who has something of users. */
  clients: PrivacyClients;
  /** Closed by the service when it ends. */
  writer: AuditWriter;
  /** Seals the keys that sign checkpoints. */
  rootKey: RootKey;
  /** How those who call prove who they are. */
  serviceAuth: ServiceAuth;
  config: Pick<ComplianceConfig, 'grpcAddress' | 'checkpointIntervalMs' | 'retentionIntervalMs' | 'engines'>;
  logger: Logger;
  clock?: Clock;
}

export interface Compliance extends Runnable {
  /** `host:port` of gRPC with the port that was bound. */
  readonly address: string;
  /** Lets go of its port with no word to anyone, as a crash of the process would. */
  crash(): void;
}

/** The services of compliance over its core. */
const complianceServices = (core: ComplianceCore) => [
  service(AuditServiceService, {
    queryAudit: queryAudit(core),
    getCheckpoint: getCheckpoint(core),
    proveInclusion: proveInclusion(core),
    proveConsistency: proveConsistency(core),
    exportAudit: exportAudit(core),
  }),
  service(PolicyServiceService, {
    getPolicy: getPolicy(core),
    putPolicy: putPolicy(core),
    watchPolicies: watchPolicies(core),
    reviewContent: reviewContent(core),
    holdContent: holdContent(core),
    listHeldContents: listHeldContents(core),
  }),
];

/** How often the gRPC health is brought in step with the consumer, ms. */
const healthMs = 500;

const telling = (health: GrpcServer['health'], ready: () => boolean, signal: AbortSignal): NodeJS.Timeout => {
  let told = true;
  return setInterval(() => {
    const now = ready();
    // While it stops its health is that it stops.
    if (now !== told && !signal.aborted) health.set('', now);
    told = now;
  }, healthMs);
};

/** What crashed hears of no orderly end any more. */
const unlessCrashed = (signal: AbortSignal, crashed: AbortSignal): AbortSignal => {
  const stopping = new AbortController();
  const stop = (): void => {
    if (!crashed.aborted) stopping.abort(signal.reason);
  };
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  return stopping.signal;
};

/** Compliance, listening when this resolves; `run` serves until the signal. */
export const createCompliance = async (ports: CompliancePorts): Promise<Compliance> => {
  const { log, audit, writer, rootKey, config, logger, clock = systemClock } = ports;
  // What a key has signed is to be verified for as long as there is somebody to do it.
  const keys = new SigningKeys({ store: audit.signingKeys, rootKey, clock }, Number.POSITIVE_INFINITY);
  await keys.load().catch((error: unknown) => {
    throw isSealedByAnother(error)
      ? new ConfigError(
          'the keys that sign checkpoints do not open with this root key: restore the one they were sealed with',
        )
      : error;
  });
  const checkpoints = new Checkpoints({ store: audit, keys, clock, logger, intervalMs: config.checkpointIntervalMs });
  const grown = (tenantId: string): void => checkpoints.grown(tenantId);
  const consumer = new AuditConsumer({ log, trees: new Trees(audit.trees, clock), grown, clock, logger });
  const policies = new Policies(ports.policies, clock);
  const reviewer = new RuleReviewer(policies);
  const privacy = privacyOf({
    ...{
      store: ports.privacy,
      messages: ports.messages,
      held: ports.policies,
      log,
      grown: config.engines.kafka?.grown ?? {},
      audit,
    },
    ...{ checkpoints, writer, clients: ports.clients, signingKeys: keys, clock, logger },
    retentionIntervalMs: config.retentionIntervalMs,
  });
  const server = await createGrpcServer({
    name: 'compliance',
    address: config.grpcAddress,
    services: [
      ...complianceServices({ audit, checkpoints, policies, reviewer, writer, clock, logger }),
      privacyService(privacy.core),
    ],
    auth: ports.serviceAuth,
    logger,
  });
  const crashed = new AbortController();
  let health: NodeJS.Timeout | undefined;
  return {
    name: 'compliance',
    address: server.address,
    async run(signal) {
      health = telling(server.health, () => consumer.ready, signal);
      // What works by itself ends with a crash, too.
      const own = [checkpoints, ...privacy.runnables].map(
        (runnable): Runnable => ({
          ...(runnable.name !== undefined && { name: runnable.name }),
          run: (stop) => runnable.run(AbortSignal.any([stop, crashed.signal])),
        }),
      );
      try {
        await runAll([server, consumer, ...own], unlessCrashed(signal, crashed.signal));
      } finally {
        clearInterval(health);
        await Promise.all([writer.close(), reviewer.close()]);
      }
    },
    crash() {
      crashed.abort();
      clearInterval(health);
      void server.stop(0);
      void writer.close();
      void reviewer.close();
    },
  };
};
