import { allOrNone, mongoOf, mongoVariables, s3Of, s3Variables } from '@caas/engines';
import * as settings from '@caas/kit/config';
import { loadConfig } from '@caas/kit/config';
import { z } from 'zod';

const schema = z
  .object({
    MEDIA_HOST: settings.text().default('127.0.0.1'),
    MEDIA_PORT: settings.port().default(3003),
    MEDIA_TRUST_PROXY: settings.count({ max: 10 }).default(0),
    MEDIA_PUBLIC_URL: settings.url('http', 'https').optional(),
    MEDIA_GRPC_ADDRESS: settings.address().default('127.0.0.1:50058'),
    MEDIA_CRYPTO_ADDRESS: settings.address().default('127.0.0.1:50056'),
    MEDIA_DATABASE_FILE: settings.text().default('data/media.db'),
    MEDIA_FOLDER: settings.text().default('data/media'),
    MEDIA_WORK_DIR: settings.text().default('data/media-work'),
    MEDIA_ALLOWED_ORIGINS: settings.list(settings.text()).default(['*']),
    MEDIA_MAX_TENANT_BYTES: settings.bytes({ min: 1, max: Number.MAX_SAFE_INTEGER }).default(107_374_182_400),
    MEDIA_MAX_UPLOAD: settings.bytes({ min: 1, max: 104_857_600 }).default(104_857_600),
    MEDIA_CLAMD_ADDRESS: settings.address().optional(),
    MEDIA_WORKERS: settings.count({ min: 1, max: 64 }).default(2),
    MEDIA_DRAIN: settings.milliseconds({ max: 300_000 }).default(10_000),
    CAAS_HASH_KEY: settings.secret().optional(),
    CAAS_TLS_DIR: settings.text().optional(),
    CAAS_SERVICE_TOKEN: settings.token().optional(),
    LOG_LEVEL: settings.oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent').default('info'),
    ...mongoVariables,
    ...s3Variables,
  })
  .superRefine(allOrNone('MONGODB_URL'))
  .transform((env) => ({
    /** Address the bytes come in and go out on. */
    host: env.MEDIA_HOST,
    /** Port of it; 0: any free one. */
    port: env.MEDIA_PORT,
    /** Number of proxies in front; with any, connections are not bounded by address. */
    trustProxy: env.MEDIA_TRUST_PROXY,
    /** Where clients reach it; undefined: at the address it listens on. */
    publicUrl: env.MEDIA_PUBLIC_URL,
    /** `host:port` gRPC listens on; port 0: any free one. */
    grpcAddress: env.MEDIA_GRPC_ADDRESS,
    /** `host:port` of crypto's gRPC. */
    cryptoAddress: env.MEDIA_CRYPTO_ADDRESS,
    databaseFile: env.MEDIA_DATABASE_FILE,
    /** Folder of the objects, where no bucket is named. */
    folder: env.MEDIA_FOLDER,
    /** Folder of the files being examined, in the clear; emptied at the start. */
    workDir: env.MEDIA_WORK_DIR,
    /** Origins whose pages may use addresses; `*`: any, which gains a page nothing that whoever gave it the address has not. */
    allowedOrigins: env.MEDIA_ALLOWED_ORIGINS,
    /** What all media of a tenant may hold, as uploaded, in bytes. */
    maxTenantBytes: env.MEDIA_MAX_TENANT_BYTES,
    /** Greatest upload, in bytes. */
    maxUploadBytes: env.MEDIA_MAX_UPLOAD,
    /** `host:port` of clamd; undefined: nothing is scanned, and media says so. */
    clamdAddress: env.MEDIA_CLAMD_ADDRESS,
    /** Uploads examined at the same time, each in a process of its own. */
    workers: env.MEDIA_WORKERS,
    /** How long open transfers are kept after the signal, in milliseconds. */
    drainMs: env.MEDIA_DRAIN,
    /** Signs addresses; the same secret as the nodes'. */
    hashKey: env.CAAS_HASH_KEY,
    /** Certificates for mutual TLS between services. */
    tlsDir: env.CAAS_TLS_DIR,
    /** Shared by the services of one machine. */
    serviceToken: env.CAAS_SERVICE_TOKEN,
    logLevel: env.LOG_LEVEL,
    /** Distributed engines, in place of the embedded file and of the folder. */
    engines: { mongo: mongoOf(env), s3: s3Of(env) },
  }));

export type MediaConfig = z.output<typeof schema>;

/** The settings of media; throws a ConfigError that names every wrong one. */
export const mediaConfig = (env: Readonly<Record<string, string | undefined>> = process.env): MediaConfig =>
  loadConfig('media', schema as z.ZodType<MediaConfig>, env);
