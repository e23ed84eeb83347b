import { auditOf, auditVariables } from '@caas/compliance-client/audit';
import { allOrNone, kafkaOf, kafkaVariables, mongoOf, mongoVariables } from '@caas/engines';
import * as settings from '@caas/kit/config';
import { loadConfig } from '@caas/kit/config';
import { z } from 'zod';

const day = 86_400_000;

const schema = z
  .object({
    AUTH_GRPC_ADDRESS: settings.address().default('127.0.0.1:50051'),
    AUTH_DATABASE_FILE: settings.text().default('data/accounts.db'),
    AUTH_LOG_FILE: settings.text().default('data/log.db'),
    AUTH_ROOT_KEY_FILE: settings.text().default('data/keys/root.key'),
    AUTH_ISSUER: settings.text().default('caas'),
    AUTH_ACCESS_TOKEN_LIFETIME: settings.milliseconds({ min: 1000, max: day }).default(15 * 60_000),
    AUTH_REFRESH_TOKEN_LIFETIME: settings.milliseconds({ min: 60_000, max: 400 * day }).default(30 * day),
    AUTH_REFRESH_GRACE: settings.milliseconds({ max: 60_000 }).default(0),
    AUTH_CLOCK_SKEW: settings.milliseconds({ max: 300_000 }).default(60_000),
    AUTH_MAX_LIVE_SESSIONS: settings.count({ min: 1, max: 1000 }).default(100),
    AUTH_ENDED_SESSIONS_KEPT: settings.milliseconds({ min: 3_600_000 }).default(7 * day),
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
    grpcAddress: env.AUTH_GRPC_ADDRESS,
    databaseFile: env.AUTH_DATABASE_FILE,
    /** The log that acts are audited in. */
    logFile: env.AUTH_LOG_FILE,
    rootKeyFile: env.AUTH_ROOT_KEY_FILE,
    /** Claim `iss` of access tokens. */
    issuer: env.AUTH_ISSUER,
    /** How long an access token is valid, in milliseconds. */
    accessTokenMs: env.AUTH_ACCESS_TOKEN_LIFETIME,
    /** How long a refresh token, and a session nobody refreshes, is valid, in milliseconds. */
    refreshTokenMs: env.AUTH_REFRESH_TOKEN_LIFETIME,
    /**
     * How long after a refresh the token it spent may be presented again and gets the same successor, in milliseconds. 0,
     * the default, is the strict rule of RFC 9700: a spent token ends its session. A client that lost an answer then gets
     * a new session from its backend, which costs one request; a thief who copied a token can't hide in the grace.
     * Installations whose clients can't ask a backend set about 10 s.
     */
    refreshGraceMs: env.AUTH_REFRESH_GRACE,
    /** How far the clock of another instance may run ahead, in milliseconds. */
    clockSkewMs: env.AUTH_CLOCK_SKEW,
    /** Live sessions of a user; the oldest ends when one more begins. */
    maxLiveSessions: env.AUTH_MAX_LIVE_SESSIONS,
    /** How long ended and expired sessions are kept, in milliseconds. */
    endedSessionsKeptMs: env.AUTH_ENDED_SESSIONS_KEPT,
    /** Certificates for mutual TLS between services. */
    tlsDir: env.CAAS_TLS_DIR,
    /** Shared by the services of one machine; made by the platform when they run in one process. */
    serviceToken: env.CAAS_SERVICE_TOKEN,
    operatorToken: env.CAAS_OPERATOR_TOKEN,
    logLevel: env.LOG_LEVEL,
    /** Distributed engines, in place of the embedded files. */
    engines: { kafka: kafkaOf(env), mongo: mongoOf(env) },
    audit: auditOf(env),
  }));

export type AuthConfig = z.output<typeof schema>;

/** The settings of auth; throws a ConfigError that names every wrong one. */
export const authConfig = (env: Readonly<Record<string, string | undefined>> = process.env): AuthConfig =>
  loadConfig('auth', schema as z.ZodType<AuthConfig>, env);
