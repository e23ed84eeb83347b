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
    COMPLIANCE_PRIVACY_FILE: settings.text().default('data/privacy.db'),
    COMPLIANCE_MESSAGES_FILE: settings.text().default('data/messages.db'),
    COMPLIANCE_AUTH_ADDRESS: settings.address().default('127.0.0.1:50051'),
    COMPLIANCE_CRYPTO_ADDRESS: settings.address().default('127.0.0.1:50056'),
    COMPLIANCE_MEDIA_ADDRESS: settings.address().default('127.0.0.1:50058'),
    /** Without it there is no index to be purged. */
    COMPLIANCE_SEARCH_ADDRESS: settings.address().optional(),
    COMPLIANCE_RETENTION_INTERVAL: settings.milliseconds({ min: 1_000, max: 604_800_000 }).default(86_400_000),
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
    privacyFile: env.COMPLIANCE_PRIVACY_FILE,
    messagesFile: env.COMPLIANCE_MESSAGES_FILE,
    authAddress: env.COMPLIANCE_AUTH_ADDRESS,
    cryptoAddress: env.COMPLIANCE_CRYPTO_ADDRESS,
    mediaAddress: env.COMPLIANCE_MEDIA_ADDRESS,
    /** Undefined: there is no search. */
    searchAddress: env.COMPLIANCE_SEARCH_ADDRESS,
    /** Time between two sweeps of retention, in milliseconds. */
    retentionIntervalMs: env.COMPLIANCE_RETENTION_INTERVAL,
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
