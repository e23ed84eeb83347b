import * as settings from '@caas/kit/config';
import { loadConfig } from '@caas/kit/config';
import { z } from 'zod';

const schema = z
  .object({
    CAAS_DATA: settings.text().default('data'),
    CAAS_HOST: settings.text().default('127.0.0.1'),
    GATEWAY_PORT: settings.port().default(3000),
    SOCKET_1_PORT: settings.port().default(3001),
    SOCKET_2_PORT: settings.port().default(3002),
    AUTH_GRPC_PORT: settings.port().default(50051),
    CAAS_DEVELOPMENT_APP: settings.flag().default(true),
    CAAS_DRAIN: settings.milliseconds({ max: 300_000 }).default(1_000),
    LOG_LEVEL: settings.oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent').default('warn'),
  })
  .transform((env) => ({
    /** Folder of all data. */
    dataDir: env.CAAS_DATA,
    /** Address everything listens on; loopback while the development app exists. */
    host: env.CAAS_HOST,
    gatewayPort: env.GATEWAY_PORT,
    socketPorts: [env.SOCKET_1_PORT, env.SOCKET_2_PORT] as readonly number[],
    /** Port of auth's gRPC; the other services' follow it. 0: any free ones. */
    authPort: env.AUTH_GRPC_PORT,
    /** Whether the development tenant and app are made. */
    developmentApp: env.CAAS_DEVELOPMENT_APP,
    /** How long open connections are kept after the signal, in milliseconds. */
    drainMs: env.CAAS_DRAIN,
    logLevel: env.LOG_LEVEL,
  }));

export type PlatformConfig = z.output<typeof schema>;

/** The settings of the one-process platform; throws a ConfigError that names every wrong one. */
export const platformConfig = (env: Readonly<Record<string, string | undefined>> = process.env): PlatformConfig =>
  loadConfig('platform', schema as z.ZodType<PlatformConfig>, env);
