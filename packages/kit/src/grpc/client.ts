import type { MethodRule } from '@caas/proto/caas/common/v1/options';
import { Client, type ClientReadableStream, Metadata } from '@grpc/grpc-js';
import { type BreakerOptions, breaker } from '../breaker.ts';
import { policyOf } from '../contract/index.ts';
import { CaasError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { type RetryOptions, retrying } from '../retry.ts';
import { newTraceparent } from '../trace.ts';
import type { ServiceAuth } from './auth.ts';
import type { CallOptions, MethodDefinition, Methods, ServiceDefinition } from './service.ts';
import { fromStatus, traceparentKey } from './status.ts';

export interface GrpcClientOptions {
  /** `host:port` of the service. */
  address: string;
  auth: ServiceAuth;
  /** Name this process calls as. */
  callerName: string;
  logger: Logger;
  /** Name the server's certificate must hold, where there is TLS; by default that of the contract's area, `auth` for caas.auth.v1. */
  serverName?: string;
  /** Wait of calls whose method has no deadline of its own and that name none, in milliseconds. */
  defaultDeadlineMs?: number;
  /** Attempts and waits for methods the contract calls idempotent; others are never repeated. */
  retry?: Pick<RetryOptions, 'maxAttempts' | 'baseMs' | 'capMs'>;
  /** When a service that does not answer is left alone; without it never. For calls that answer once. */
  breaker?: BreakerOptions;
}

/** Methods by name, as the definition has them, and `close`. */
export type GrpcClient<S extends ServiceDefinition> = Methods<S> & {
  /** Ends the connection; open calls fail with UNAVAILABLE. */
  close(): void;
};

/** The peer's word on when to come back; a broken connection says nothing, there the backoff alone decides. */
const askedMs = (error: unknown): number =>
  error instanceof CaasError && error.cause === undefined ? error.retryAfterMs : 0;

const defaults = {
  defaultDeadlineMs: 5_000,
  retry: { maxAttempts: 3, baseMs: 50, capMs: 1_000 },
  reconnectBaseMs: 100,
  reconnectCapMs: 5_000,
  keepaliveMs: 30_000,
  keepaliveTimeoutMs: 10_000,
};

/** Health and reflection stand in no contract of ours: called once, with the caller's deadline. */
const openRule: Pick<MethodRule, 'deadlineMs' | 'idempotent'> = { deadlineMs: 0, idempotent: false };
const ruleFor = ({ path }: MethodDefinition) => ({
  name: path.slice(1),
  rule: path.startsWith('/grpc.') ? openRule : policyOf(path).rule,
});

/** The service that serves a contract: the area in its name. Health and reflection are served by all. */
const areaOf = (definition: ServiceDefinition): string | undefined =>
  /^\/caas\.(\w+)\./.exec(Object.values(definition)[0]?.path ?? '')?.[1];

type Serialize = (value: unknown) => Buffer;
type Upstream = {
  write(request: unknown): boolean;
  end(): void;
  once(event: 'drain' | 'close', to: () => void): unknown;
};

/** Sends requests as fast as the peer takes them, then ends the sending half. */
const send = async (call: Upstream, requests: AsyncIterable<unknown>): Promise<void> => {
  for await (const request of requests) {
    if (!call.write(request)) {
      await new Promise<void>((resolve) => {
        call.once('drain', resolve);
        call.once('close', resolve);
      });
    }
  }
  call.end();
};

/** A client of one service: typed from the definition, errors come back as CaasError with the peer's reason. */
export const createGrpcClient = <S extends ServiceDefinition>(
  definition: S,
  options: GrpcClientOptions,
): GrpcClient<S> => {
  const { address, auth, callerName, logger } = options;
  const retry = options.retry ?? defaults.retry;
  const serverName = auth.encrypted ? (options.serverName ?? areaOf(definition)) : undefined;
  const client = new Client(address, auth.channelCredentials, {
    // Who is called is known by its name, wherever it is: addresses are those of load balancers, too.
    ...(serverName !== undefined && { 'grpc.ssl_target_name_override': serverName }),
    'grpc.initial_reconnect_backoff_ms': defaults.reconnectBaseMs,
    'grpc.max_reconnect_backoff_ms': defaults.reconnectCapMs,
    'grpc.keepalive_time_ms': defaults.keepaliveMs,
    'grpc.keepalive_timeout_ms': defaults.keepaliveTimeoutMs,
    // Retries are ours, by the contract's word on what may be repeated.
    'grpc.enable_retries': 0,
  });

  const metadataOf = (traceparent: string): Metadata => {
    const metadata = new Metadata();
    metadata.set(traceparentKey, traceparent);
    auth.sign(metadata, callerName);
    return metadata;
  };

  const unaryOnce = (
    method: MethodDefinition,
    name: string,
    request: unknown,
    traceparent: string,
    deadlineAt: number,
    signal?: AbortSignal,
  ) =>
    new Promise<unknown>((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const call = client.makeUnaryRequest(
        method.path,
        method.requestSerialize as Serialize,
        method.responseDeserialize,
        request,
        metadataOf(traceparent),
        { deadline: deadlineAt },
        (error, response) => {
          signal?.removeEventListener('abort', cancel);
          if (!error) resolve(response);
          else reject(signal?.aborted ? signal.reason : fromStatus(error, name));
        },
      );
      const cancel = (): void => call.cancel();
      signal?.addEventListener('abort', cancel, { once: true });
    });

  const guarded = options.breaker && breaker(areaOf(definition) ?? address, options.breaker);

  const unary = (method: MethodDefinition) => {
    const { name, rule } = ruleFor(method);
    const ownDeadlineMs = rule.deadlineMs || options.defaultDeadlineMs || defaults.defaultDeadlineMs;
    const call = async (request: unknown, { traceparent = newTraceparent(), deadlineMs, signal }: CallOptions = {}) => {
      const deadlineAt = Date.now() + (deadlineMs ?? ownDeadlineMs);
      const attempt = (): Promise<unknown> => unaryOnce(method, name, request, traceparent, deadlineAt, signal);
      if (!rule.idempotent) return attempt();
      // No attempt begins after the deadline, whatever the policy still allows.
      const when = (error: unknown): boolean =>
        error instanceof CaasError && error.retryable && Date.now() + askedMs(error) < deadlineAt;
      const onRetry: RetryOptions['onRetry'] = ({ attempt: number, waitMs, error }) =>
        logger.warn({ method: name, attempt: number, wait_ms: Math.round(waitMs), err: error }, 'call retried');
      return retrying(name, { ...retry, when, askedMs, onRetry }, attempt, signal);
    };
    return guarded ? (request: unknown, callOptions?: CallOptions) => guarded(() => call(request, callOptions)) : call;
  };

  const open = (method: MethodDefinition, input: unknown, metadata: Metadata, deadline: number) => {
    const { path, responseDeserialize } = method;
    const serialize = method.requestSerialize as Serialize;
    if (!method.requestStream) {
      return client.makeServerStreamRequest(path, serialize, responseDeserialize, input, metadata, { deadline });
    }
    const call = client.makeBidiStreamRequest(path, serialize, responseDeserialize, metadata, { deadline });
    send(call, input as AsyncIterable<unknown>).catch((error: unknown) => call.destroy(error as Error));
    return call;
  };

  const responseStream = (method: MethodDefinition) => {
    const { name, rule } = ruleFor(method);
    return async function* (input: unknown, { traceparent = newTraceparent(), deadlineMs, signal }: CallOptions = {}) {
      signal?.throwIfAborted();
      // A stream lives until someone ends it, unless its rule or the caller says otherwise.
      const wait = deadlineMs ?? (rule.deadlineMs || Number.POSITIVE_INFINITY);
      const call: ClientReadableStream<unknown> = open(method, input, metadataOf(traceparent), Date.now() + wait);
      const cancel = (): void => call.cancel();
      signal?.addEventListener('abort', cancel, { once: true });
      try {
        yield* call.iterator({ destroyOnReturn: false });
      } catch (error) {
        throw signal?.aborted ? signal.reason : fromStatus(error, name);
      } finally {
        signal?.removeEventListener('abort', cancel);
        // The cancelled stream still emits its end as an error, when nobody listens any more.
        call.on('error', () => undefined);
        call.cancel();
      }
    };
  };

  const methods = Object.entries(definition).map(([name, method]) => {
    if (method.requestStream && !method.responseStream) {
      throw new TypeError(`${method.path}: streams towards the server alone are not used; answer with a stream`);
    }
    return [name, method.responseStream ? responseStream(method) : unary(method)];
  });
  return { ...Object.fromEntries(methods), close: () => client.close() } as GrpcClient<S>;
};
