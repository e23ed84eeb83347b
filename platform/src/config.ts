import * as settings from '@caas/kit/config';
import { ConfigError, loadConfig } from '@caas/kit/config';
import { z } from 'zod';
import { type ServicesConfig, servicesConfig } from './services-config.ts';

const variables = z.object({
  CAAS_DATA: settings.text().default('data'),
  CAAS_HOST: settings.text().default('127.0.0.1'),
  GATEWAY_PORT: settings.port().default(3000),
  SOCKET_1_PORT: settings.port().default(3001),
  SOCKET_2_PORT: settings.port().default(3002),
  MEDIA_PORT: settings.port().default(3003),
  // The other services' ports follow it.
  AUTH_GRPC_PORT: settings.count({ max: 65_527 }).default(50051),
  CAAS_DEVELOPMENT_APP: settings.flag().default(true),
  CAAS_SEARCH: settings.flag().default(true),
  CAAS_OPERATOR_TOKEN: settings.token().optional(),
  CAAS_VAULT_PASSPHRASE: settings.secret().optional(),
  CAAS_DRAIN: settings.milliseconds({ max: 300_000 }).default(1_000),
  LOG_LEVEL: settings.oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent').default('warn'),
});

const schema = variables.transform((env) => ({
  /** Folder of all data. */
  dataDir: env.CAAS_DATA,
  /** Address the gateway and the socket nodes listen on; loopback while the development app exists. */
  host: env.CAAS_HOST,
  gatewayPort: env.GATEWAY_PORT,
  socketPorts: [env.SOCKET_1_PORT, env.SOCKET_2_PORT] as readonly number[],
  /** Port media's bytes come in and go out on. */
  mediaPort: env.MEDIA_PORT,
  /** Port of auth's gRPC; the other services' follow it. 0: any free ones. All of it on 127.0.0.1. */
  authPort: env.AUTH_GRPC_PORT,
  /** Whether the development tenant and app are made. */
  developmentApp: env.CAAS_DEVELOPMENT_APP,
  /** Whether messages are indexed and searches served. */
  search: env.CAAS_SEARCH,
  /** Proves an operator's calls to auth; without it there are none. */
  operatorToken: env.CAAS_OPERATOR_TOKEN,
  /** Seals the root keys of content; without it a key file beside them does. */
  vaultPassphrase: env.CAAS_VAULT_PASSPHRASE,
  /** How long open connections are kept after the signal, in milliseconds. */
  drainMs: env.CAAS_DRAIN,
  logLevel: env.LOG_LEVEL,
}));

type Environment = Readonly<Record<string, string | undefined>>;

export interface PlatformConfig extends z.output<typeof schema> {
  services: ServicesConfig;
  /** Variables that are set and name engines, which the platform has no use for. */
  unusedEngines: readonly string[];
}

/** Variables of distributed engines. */
const ofEngines = /^(KAFKA|MONGODB|OPENSEARCH|REDIS|VAULT)_/;

/** Variables of services that hold here as well. */
const ofAll: readonly string[] = ['CAAS_AUDIT_MAX_BYTES'];

/** The settings of the one-process platform and its services; throws one ConfigError that names every wrong one. */
export const platformConfig = (env: Environment = process.env): PlatformConfig => {
  const wrong: string[] = [];
  // What the platform decides or makes itself, the services do not read a second time.
  const ofServices = Object.fromEntries(
    Object.entries(env).filter(
      ([name]) =>
        !(name in variables.shape) && !ofEngines.test(name) && (!name.startsWith('CAAS_') || ofAll.includes(name)),
    ),
  );
  const read = <T>(load: (env: Environment) => T, from = ofServices): T => {
    try {
      return load(from);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      wrong.push(error.message);
      return undefined as T; // nobody sees it: below, all that is wrong is thrown
    }
  };
  const platform = read((from) => loadConfig('platform', schema as z.ZodType<z.output<typeof schema>>, from), env);
  const services: ServicesConfig = {
    auth: read(servicesConfig.auth),
    gateway: read(servicesConfig.gateway),
    socket: read(servicesConfig.socket),
    persistence: read(servicesConfig.persistence),
    crypto: read(servicesConfig.crypto),
    media: read(servicesConfig.media),
    compliance: read(servicesConfig.compliance),
    search: read(servicesConfig.search),
  };
  if (wrong.length > 0) throw new ConfigError(wrong.join('\n'));
  return { ...platform, services, unusedEngines: Object.keys(env).filter((name) => ofEngines.test(name)) };
};
