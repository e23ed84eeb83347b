import { allOrNone, mongoOf, mongoVariables, vaultOf, vaultVariables } from '@caas/engines';
import * as settings from '@caas/kit/config';
import { loadConfig } from '@caas/kit/config';
import { z } from 'zod';

const schema = z
  .object({
    CRYPTO_GRPC_ADDRESS: settings.address().default('127.0.0.1:50056'),
    CRYPTO_DATABASE_FILE: settings.text().default('data/keys.db'),
    CRYPTO_VAULT_FILE: settings.text().default('data/keys/vault.json'),
    CRYPTO_KEY_HOLD: settings.milliseconds({ min: 1_000, max: 86_400_000 }).default(15 * 60_000),
    CRYPTO_HOLDER_GRACE: settings.milliseconds({ min: 300, max: 3_600_000 }).default(10 * 60_000),
    CAAS_VAULT_PASSPHRASE: settings.secret().optional(),
    CAAS_TLS_DIR: settings.text().optional(),
    CAAS_SERVICE_TOKEN: settings.token().optional(),
    CAAS_OPERATOR_TOKEN: settings.token().optional(),
    LOG_LEVEL: settings.oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent').default('info'),
    ...mongoVariables,
    ...vaultVariables,
  })
  .superRefine(allOrNone('MONGODB_URL'))
  .transform((env) => ({
    /** `host:port` gRPC listens on; port 0: any free one. */
    grpcAddress: env.CRYPTO_GRPC_ADDRESS,
    databaseFile: env.CRYPTO_DATABASE_FILE,
    vaultFile: env.CRYPTO_VAULT_FILE,
    /** Seals the vault's file; without it a key file beside does. */
    vaultPassphrase: env.CAAS_VAULT_PASSPHRASE,
    /** How long holders may keep an unwrapped data key, in milliseconds. */
    keyHoldMs: env.CRYPTO_KEY_HOLD,
    /** How long a holder that hears nothing may go on using its copies, in milliseconds. */
    holderGraceMs: env.CRYPTO_HOLDER_GRACE,
    /** Certificates for mutual TLS between services. */
    tlsDir: env.CAAS_TLS_DIR,
    /** Shared by the services of one machine. */
    serviceToken: env.CAAS_SERVICE_TOKEN,
    operatorToken: env.CAAS_OPERATOR_TOKEN,
    logLevel: env.LOG_LEVEL,
    /** Distributed engines, in place of the embedded files. */
    engines: { mongo: mongoOf(env), vault: vaultOf(env) },
  }));

export type CryptoConfig = z.output<typeof schema>;

/** The settings of crypto; throws a ConfigError that names every wrong one. */
export const cryptoConfig = (env: Readonly<Record<string, string | undefined>> = process.env): CryptoConfig =>
  loadConfig('crypto', schema as z.ZodType<CryptoConfig>, env);
