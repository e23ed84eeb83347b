import { allOrNone, redisGatewayOf, redisGatewayVariables } from '@caas/engines';
import * as settings from '@caas/kit/config';
import { loadConfig } from '@caas/kit/config';
import { z } from 'zod';

const minute = 60_000;
const day = 24 * 60 * minute;

const schemaOf = (minSocketUrls: number) =>
  z
    .object({
      GATEWAY_HOST: settings.text().default('127.0.0.1'),
      GATEWAY_PORT: settings.port().default(3000),
      GATEWAY_GRPC_ADDRESS: settings.address().default('127.0.0.1:50055'),
      GATEWAY_AUTH_ADDRESS: settings.address().default('127.0.0.1:50051'),
      GATEWAY_TRUST_PROXY: settings.count({ max: 10 }).default(0),
      GATEWAY_TOKENS_PER_ADDRESS: settings.count({ min: 1 }).default(6_000),
      GATEWAY_TOKENS_PER_APP: settings.count({ min: 1 }).default(30_000),
      GATEWAY_TOKEN_FAILURES: settings.count({ min: 1 }).default(60),
      GATEWAY_INVALID_BODIES: settings.count({ min: 1 }).default(600),
      GATEWAY_REFRESHES_PER_ADDRESS: settings.count({ min: 1 }).default(6_000),
      GATEWAY_REQUESTS_PER_ADDRESS: settings.count({ min: 1 }).default(12_000),
      GATEWAY_RATE_WINDOW: settings.milliseconds({ min: 1000, max: 60 * minute }).default(minute),
      GATEWAY_DRAIN: settings.milliseconds({ max: 5 * minute }).default(5_000),
      SOCKET_PING_INTERVAL: settings.milliseconds({ min: 1_000, max: day }).default(25_000),
      SOCKET_PONG_TIMEOUT: settings.milliseconds({ min: 500, max: day }).default(8_000),
      CAAS_TLS_DIR: settings.text().optional(),
      CAAS_SERVICE_TOKEN: settings.token().optional(),
      LOG_LEVEL: settings.oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent').default('info'),
      ...redisGatewayVariables,
      socketUrls: z
        .record(z.string(), settings.url('ws', 'wss'))
        .refine((urls) => Object.keys(urls).length >= minSocketUrls, 'at least SOCKET_SERVICE_1_URL is needed'),
    })
    .superRefine(allOrNone('REDIS_GATEWAY_URL'))
    .transform((env) => ({
      /** Address HTTP listens on. */
      host: env.GATEWAY_HOST,
      /** Port HTTP listens on; 0: any free one. */
      port: env.GATEWAY_PORT,
      /** `host:port` of the gateway's gRPC: health and reflection. */
      grpcAddress: env.GATEWAY_GRPC_ADDRESS,
      /** `host:port` of auth's gRPC. */
      authAddress: env.GATEWAY_AUTH_ADDRESS,
      /** Number of proxies in front whose X-Forwarded-For is believed; 0: none. */
      trustProxy: env.GATEWAY_TRUST_PROXY,
      /** Requests a window, by what is counted. */
      rates: {
        /** Token issues of one address: a tenant's backend asks for all of its users. Past it only apps that proved their secret. */
        tokensPerAddress: env.GATEWAY_TOKENS_PER_ADDRESS,
        /** Token issues of one app, those with its secret: an app id alone, which is no secret, uses up nothing of it. */
        tokensPerApp: env.GATEWAY_TOKENS_PER_APP,
        /** Token issues of one app and one address that failed for the secret. */
        tokenFailures: env.GATEWAY_TOKEN_FAILURES,
        /** Request bodies of one address that were not valid; past it the reasons are not told, and long ones not read. */
        invalidBodies: env.GATEWAY_INVALID_BODIES,
        /** Refreshes of one address. */
        refreshesPerAddress: env.GATEWAY_REFRESHES_PER_ADDRESS,
        /** Other API requests of one address. */
        requestsPerAddress: env.GATEWAY_REQUESTS_PER_ADDRESS,
        /** Length of the window, in milliseconds. */
        windowMs: env.GATEWAY_RATE_WINDOW,
      },
      /** How long open requests may take after the signal, in milliseconds. */
      drainMs: env.GATEWAY_DRAIN,
      /** Certificates for mutual TLS between services. */
      tlsDir: env.CAAS_TLS_DIR,
      /** Shared by the services of one machine. */
      serviceToken: env.CAAS_SERVICE_TOKEN,
      logLevel: env.LOG_LEVEL,
      /** Distributed engines, in place of memory. */
      engines: { redisGateway: redisGatewayOf(env) },
      /** Silence after which the socket nodes ping, in milliseconds; told to clients. */
      pingIntervalMs: env.SOCKET_PING_INTERVAL,
      /** How long they wait for the answer, in milliseconds; told to clients. */
      pongTimeoutMs: env.SOCKET_PONG_TIMEOUT,
      /** Where users connect, in the order of SOCKET_SERVICE_1_URL, SOCKET_SERVICE_2_URL, … */
      socketUrls: Object.values(env.socketUrls),
    }));

export type GatewayConfig = z.output<ReturnType<typeof schemaOf>>;

/** URLs of the socket nodes by their variables: any number of them, ordered by theirs. */
const socketUrlsOf = (env: Readonly<Record<string, string | undefined>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(env)
      .flatMap(([variable, url]) => {
        const [, number] = /^SOCKET_SERVICE_(\d{1,6})_URL$/.exec(variable) ?? [];
        return number !== undefined && url ? [{ variable, number: Number(number), url }] : [];
      })
      .toSorted((a, b) => a.number - b.number)
      .map(({ variable, url }) => [variable, url]),
  );

export interface GatewayConfigOptions {
  /** URLs the environment has to name at least: none where nodes of the same process can be told instead. Default 1. */
  minSocketUrls?: number;
}

/** The settings of the gateway; throws a ConfigError that names every wrong one. */
export const gatewayConfig = (
  env: Readonly<Record<string, string | undefined>> = process.env,
  { minSocketUrls = 1 }: GatewayConfigOptions = {},
): GatewayConfig =>
  loadConfig('gateway', schemaOf(minSocketUrls) as z.ZodType<GatewayConfig>, {
    ...env,
    socketUrls: socketUrlsOf(env) as never,
  });
