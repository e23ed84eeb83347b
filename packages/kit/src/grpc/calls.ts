import { once } from 'node:events';
import type {
  ServerDuplexStream,
  ServerReadableStream,
  ServerUnaryCall,
  ServerWritableStream,
  StatusObject,
  UntypedHandleCall,
} from '@grpc/grpc-js';
import type { MethodPolicy } from '../contract/index.ts';
import { CaasError, toCaasError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { traceIdOf, traceparentOr } from '../trace.ts';
import { admitCaller, admitRequest } from './admission.ts';
import type { ServiceAuth } from './auth.ts';
import { peerNameOf } from './peer.ts';
import type { CallContext, MethodDefinition } from './service.ts';
import { toStatus, traceparentKey } from './status.ts';
import { orAborted } from './wait.ts';

type Unary = ServerUnaryCall<unknown, unknown>;
type Out = ServerWritableStream<unknown, unknown> | ServerDuplexStream<unknown, unknown>;
type In = ServerReadableStream<unknown, unknown> | ServerDuplexStream<unknown, unknown>;
type AnyCall = Unary | Out | In;

export interface CallDeps {
  readonly auth: ServiceAuth;
  readonly logger: Logger;
  /** Controllers of the streams that are open, which end when the server stops. */
  readonly streams: Set<AbortController>;
}

interface OpenCall {
  readonly context: CallContext;
  /** The status that ends the call for what was thrown; logs it, once. */
  refuse(thrown: unknown): StatusObject;
}

/** Health is asked all the time, and of no trace. */
const isOpen = (method: string): boolean => method.startsWith('grpc.');

const remainingMs = (deadline: Date | number): number | undefined =>
  deadline === Number.POSITIVE_INFINITY ? undefined : Math.max(0, Number(deadline) - Date.now());

/** One for all: a server says 'cancelled' at the end of every call, and a stack for each would be for nobody. */
const callerGone = new CaasError('UNAVAILABLE', 'the caller no longer waits');

/** Begins a call: trace, cancellation, deadline and, unless the method is open to all, the caller. Throws nothing. */
const openCall = (call: AnyCall, method: string, policy: MethodPolicy | undefined, deps: CallDeps) => {
  const startedAt = performance.now();
  const controller = new AbortController();
  (call as Unary).on('cancelled', () => controller.abort(callerGone));
  const [given] = call.metadata.get(traceparentKey);
  const traceparent = traceparentOr(typeof given === 'string' ? given : undefined);
  const traceId = traceIdOf(traceparent);
  let caller = '';

  const elapsed = () => ({ trace_id: traceId, elapsed_ms: Math.round((performance.now() - startedAt) * 10) / 10 });

  const served = (): void => {
    if (deps.logger.isLevelEnabled('debug') && !isOpen(method))
      deps.logger.debug({ method, caller, ...elapsed() }, 'call served');
  };

  const refuse = (thrown: unknown): StatusObject => {
    const error = toCaasError(thrown);
    const fields = { method, caller, reason: error.reason, details: error.details, ...elapsed() };
    if (call.cancelled) deps.logger.debug(fields, 'call cancelled');
    else if (error.reason === 'INTERNAL') deps.logger.error({ ...fields, err: error.cause ?? error }, 'call failed');
    // Draining is what was asked for: it ends every stream at an orderly stop.
    else deps.logger[error.retryable && error.reason !== 'DRAINING' ? 'warn' : 'info'](fields, 'call refused');
    return toStatus(error, traceId);
  };

  const admit = (): OpenCall => {
    // With TLS nobody stays anonymous, wherever the method is open to all.
    const peerName = deps.auth.encrypted ? peerNameOf(call, method) : undefined;
    if (policy) caller = admitCaller(policy, deps.auth, call.metadata, peerName);
    const deadlineMs = remainingMs(call.getDeadline());
    return { context: { traceparent, traceId, caller, signal: controller.signal, deadlineMs }, refuse };
  };
  return { admit, refuse, served, controller };
};

/** Requests of a stream, each one admitted before the handler sees it. */
async function* requestsOf(call: In, policy: MethodPolicy | undefined): AsyncIterable<unknown> {
  // A handler that stops reading early must not tear down the half it still writes to.
  for await (const request of call.iterator({ destroyOnReturn: false })) {
    if (policy) admitRequest(policy, request);
    yield request;
  }
}

/** Writes what the handler yields, as fast as the caller reads, until it ends or the call does. */
const pump = async (call: Out, responses: AsyncIterable<unknown>, signal: AbortSignal): Promise<void> => {
  const iterator = responses[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await orAborted(iterator.next(), signal);
      if (next.done) return;
      if (!call.write(next.value)) await once(call, 'drain', { signal });
    }
  } catch (error) {
    // Not awaited: a generator that hangs in its own wait would keep the call open.
    iterator.return?.().catch(() => undefined);
    throw signal.aborted ? signal.reason : error;
  }
};

type Handler = (request: unknown, context: CallContext) => unknown;

/** A handler as grpc-js calls it, with everything around it that the contract asks for. */
export const handlerOf = (
  definition: MethodDefinition,
  policy: MethodPolicy | undefined,
  handler: Handler,
  deps: CallDeps,
): UntypedHandleCall => {
  const method = definition.path.slice(1);
  const respond = async (call: AnyCall, request: unknown, context: CallContext): Promise<unknown> => {
    const input = definition.requestStream ? requestsOf(call as In, policy) : request;
    if (policy && !definition.requestStream) admitRequest(policy, request);
    return handler(input, context);
  };

  if (!definition.responseStream) {
    return (call: Unary, callback: (status: StatusObject | null, response?: unknown) => void) => {
      const { admit, refuse, served } = openCall(call, method, policy, deps);
      (async () => respond(call, call.request, admit().context))().then(
        (response) => {
          served();
          callback(null, response);
        },
        (error: unknown) => callback(refuse(error)),
      );
    };
  }
  return (call: Out) => {
    const { admit, refuse, controller } = openCall(call, method, policy, deps);
    deps.streams.add(controller);
    // A stream that is pending when the transport goes emits an error nobody else listens for.
    call.on('error', () => undefined);
    (async () => {
      const { context } = admit();
      const responses = await respond(call, 'request' in call ? call.request : undefined, context);
      await pump(call, responses as AsyncIterable<unknown>, context.signal);
    })()
      .then(
        () => void call.end(),
        (error: unknown) => void call.emit('error', refuse(error)),
      )
      .finally(() => deps.streams.delete(controller));
  };
};
