import { auditOf, auditVariables } from '@caas/compliance-client/audit';
import { allOrNone, kafkaOf, kafkaVariables, mongoOf, mongoVariables } from '@caas/engines';
import * as settings from '@caas/kit/config';
import { loadConfig } from '@caas/kit/config';
import { z } from 'zod';

const schema = z
  .object({
    COMPLIANCE_GRPC_ADDRESS: settings.address().default('127.0.0.1:50057'),
    COMPLIANCE_LOG_FILE: settings.text().default('data/log.db'),
    COMPLIANCE_AUDIT_FILE: settings.text().default('data/audit.db'),
    COMPLIANCE_POLICIES_FILE: settings.text().default('data/policies.db'),
    COMPLIANCE_ROOT_KEY_FILE: settings.text().default('data/keys/root.key'),
    COMPLIANCE_CHECKPOINT_INTERVAL: settings.milliseconds({ min: 100, max: 3_600_000 }).default(1_000),
    CAAS_TLS_DIR: settings.text().optional(),
    CAAS_SERVICE_TOKEN: settings.token().optional(),
    CAAS_OPERATOR_TOKEN: settings.token().optional(),
    LOG_LEVEL: settings.oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent').default('info'),
    ...auditVariables,
    ...kafkaVariables,
    ...mongoVariables,
  })
  .superRefine(allOrNone('KAFKA_BROKERS', 'MONGODB_URL'))
  .transform((env) => ({
    /** `host:port` gRPC listens on; port 0: any free one. */
    grpcAddress: env.COMPLIANCE_GRPC_ADDRESS,
    logFile: env.COMPLIANCE_LOG_FILE,
    auditFile: env.COMPLIANCE_AUDIT_FILE,
    policiesFile: env.COMPLIANCE_POLICIES_FILE,
    /** Seals the keys that sign checkpoints. */
    rootKeyFile: env.COMPLIANCE_ROOT_KEY_FILE,
    /** Least time between two checkpoints of a tenant that nobody asked for, in milliseconds. */
    checkpointIntervalMs: env.COMPLIANCE_CHECKPOINT_INTERVAL,
    /** Certificates for mutual TLS between services. */
    tlsDir: env.CAAS_TLS_DIR,
    /** Shared by the services of one machine. */
    serviceToken: env.CAAS_SERVICE_TOKEN,
    operatorToken: env.CAAS_OPERATOR_TOKEN,
    logLevel: env.LOG_LEVEL,
    audit: auditOf(env),
    /** Distributed engines, in place of the embedded files. */
    engines: { kafka: kafkaOf(env), mongo: mongoOf(env) },
  }));

export type ComplianceConfig = z.output<typeof schema>;

/** The settings of compliance; throws a ConfigError that names every wrong one. */
export const complianceConfig = (env: Readonly<Record<string, string | undefined>> = process.env): ComplianceConfig =>
  loadConfig('compliance', schema as z.ZodType<ComplianceConfig>, env);
