import { type MethodDefinition, Server, setLogger } from '@grpc/grpc-js';
import { ConfigError } from '../config.ts';
import { type MethodPolicy, policyOf } from '../contract/index.ts';
import { CaasError } from '../errors.ts';
import type { Runnable } from '../lifecycle.ts';
import type { Logger } from '../log.ts';
import { readable } from './admission.ts';
import type { ServiceAuth } from './auth.ts';
import { type CallDeps, handlerOf } from './calls.ts';
import { Health } from './health.ts';
import { reflection } from './reflection.ts';
import type { ServiceBinding } from './service.ts';

// What grpc-js calls an error reaches its caller as one too; printed besides, it would stand in every log twice.
setLogger({ ...console, error: () => undefined });

export interface GrpcServerOptions {
  /** Name of the service, for messages to operators. */
  name: string;
  /** `host:port`; port 0 takes any free one. Beyond loopback only with an `auth` that encrypts. */
  address: string;
  services: readonly ServiceBinding[];
  auth: ServiceAuth;
  logger: Logger;
  /** Greatest request, in bytes. */
  maxRequestBytes?: number;
  /** How long `run` lets open calls finish after the signal, in milliseconds. */
  graceMs?: number;
}

export interface GrpcServer extends Runnable {
  /** `host:port` with the port that was bound. */
  readonly address: string;
  readonly port: number;
  readonly health: Health;
  /** Refuses new calls, ends streams with DRAINING, lets other calls finish for `graceMs`, then cuts them off. */
  stop(graceMs?: number): Promise<void>;
}

const defaults = { maxRequestBytes: 4 * 1024 * 1024, graceMs: 5_000, keepaliveMs: 30_000, keepaliveTimeoutMs: 10_000 };

const serviceNameOf = ({ definition }: ServiceBinding): string => {
  const [first] = Object.values(definition);
  if (!first) throw new TypeError('a service without methods');
  return first.path.slice(1, first.path.lastIndexOf('/'));
};

/** Methods of health and reflection have no policy: whoever reaches the port may ask, they tell nothing of tenants. */
const addBinding = (
  server: Server,
  { definition, handlers }: ServiceBinding,
  policyFor: (path: string) => MethodPolicy | undefined,
  deps: CallDeps,
): void => {
  const names = Object.keys(definition);
  server.addService(
    Object.fromEntries(
      names.map((name) => {
        const method = definition[name] as NonNullable<(typeof definition)[string]>;
        const requestDeserialize = readable(method.requestDeserialize);
        return [name, { ...method, requestDeserialize } as MethodDefinition<unknown, unknown>];
      }),
    ),
    Object.fromEntries(
      names.map((name) => {
        const method = definition[name] as NonNullable<(typeof definition)[string]>;
        const handler = handlers[name];
        if (typeof handler !== 'function') throw new TypeError(`no handler for ${method.path}`);
        return [name, handlerOf(method, policyFor(method.path), handler.bind(handlers), deps)];
      }),
    ),
  );
};

const isLoopback = (address: string): boolean => /^(127\.\d+\.\d+\.\d+|\[::1\]|localhost):\d+$|^unix:/.test(address);

const bind = (server: Server, { name, address, auth }: GrpcServerOptions): Promise<number> =>
  new Promise((resolve, reject) => {
    server.bindAsync(address, auth.serverCredentials, (error, port) => {
      if (!error) resolve(port);
      else if (/EADDRINUSE/.test(error.message))
        reject(new ConfigError(`${name} cannot listen on ${address}: the port is taken`));
      else reject(new ConfigError(`${name} cannot listen on ${address}: ${error.message}`));
    });
  });

/**
 * Serves the bindings, with health and reflection beside them. The options of the proto drive it: who may call, which
 * scope the claims must hold, which limits requests have. Refusals leave with their reason in the trailer.
 */
export const createGrpcServer = async (options: GrpcServerOptions): Promise<GrpcServer> => {
  const { name, address, services, auth, logger } = options;
  if (!auth.encrypted && !isLoopback(address)) {
    throw new ConfigError(`${name} cannot listen on ${address}: without TLS services listen on loopback only`);
  }
  const maxRequestBytes = options.maxRequestBytes ?? defaults.maxRequestBytes;
  const server = new Server({
    'grpc.max_receive_message_length': maxRequestBytes,
    'grpc.keepalive_time_ms': defaults.keepaliveMs,
    'grpc.keepalive_timeout_ms': defaults.keepaliveTimeoutMs,
    'grpc.so_reuseport': 0,
  });
  const deps: CallDeps = { auth, logger, streams: new Set() };
  const names = services.map(serviceNameOf);
  const health = new Health(names);
  for (const binding of services) addBinding(server, binding, policyOf, deps);
  const open = [health.binding, reflection([...names, 'grpc.health.v1.Health', 'grpc.reflection.v1.ServerReflection'])];
  for (const binding of open) addBinding(server, binding, () => undefined, deps);
  const port = await bind(server, options);

  const shutDown = (graceMs: number): Promise<void> =>
    new Promise((resolve) => {
      health.stopping();
      const overdue = setTimeout(() => {
        logger.warn({ grace_ms: graceMs }, 'calls cut off at shutdown');
        server.forceShutdown();
      }, graceMs);
      server.tryShutdown(() => {
        clearTimeout(overdue);
        resolve();
      });
      // A turn later, so that those who watch the health have been told before their stream ends, too.
      setImmediate(() => {
        for (const stream of deps.streams) stream.abort(new CaasError('DRAINING', `${name} is stopping`));
      });
    });
  let stopped: Promise<void> | undefined;
  const stop = (graceMs = options.graceMs ?? defaults.graceMs): Promise<void> => {
    stopped ??= shutDown(graceMs);
    return stopped;
  };
  return {
    name,
    address: address.replace(/:\d+$/, `:${port}`),
    port,
    health,
    stop,
    async run(signal) {
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      await stop();
    },
  };
};
