/** How a service is written and called: types derived from the definitions that ts-proto generates. */

/** The parts of a generated method definition that both ends need. */
export interface MethodDefinition {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly requestSerialize: (request: never) => Buffer;
  readonly requestDeserialize: (bytes: Buffer) => unknown;
  readonly responseSerialize: (response: never) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => unknown;
}

/** A generated `XxxService` constant. */
export type ServiceDefinition = Readonly<Record<string, MethodDefinition>>;

type Request<M extends MethodDefinition> = ReturnType<M['requestDeserialize']>;
type Response<M extends MethodDefinition> = ReturnType<M['responseDeserialize']>;

/** What a call carries besides its request. A handler's context can be handed on as the options of its own calls. */
export interface CallOptions {
  /** W3C traceparent; a new one when absent. */
  readonly traceparent?: string;
  /** How long the caller waits from now, in milliseconds; by default what the method's rule says. */
  readonly deadlineMs?: number | undefined;
  /** Cancels the call; it then throws the signal's reason. */
  readonly signal?: AbortSignal;
}

/** What a handler knows of its call. */
export interface CallContext extends CallOptions {
  readonly traceparent: string;
  /** 32 hex digits of the traceparent. */
  readonly traceId: string;
  /** Verified name of the calling service; empty for health and reflection, which anyone may call. */
  readonly caller: string;
  /** Aborts when nobody waits any more: cancelled, past the deadline, or, for streams, when the server stops. */
  readonly signal: AbortSignal;
  /** How long the caller still waited when the call began, in milliseconds; undefined: no deadline. */
  readonly deadlineMs: number | undefined;
}

/** The shape of a method for given parameters: requests and responses are one or a stream, as its proto says. */
type Shape<M extends MethodDefinition, Rest extends readonly unknown[]> = M extends { requestStream: true }
  ? M extends { responseStream: true }
    ? (requests: AsyncIterable<Request<M>>, ...rest: Rest) => AsyncIterable<Response<M>>
    : (requests: AsyncIterable<Request<M>>, ...rest: Rest) => Promise<Response<M>>
  : M extends { responseStream: true }
    ? (request: Request<M>, ...rest: Rest) => AsyncIterable<Response<M>>
    : (request: Request<M>, ...rest: Rest) => Promise<Response<M>>;

/** A service's handlers: each verb of the definition, `(request, context) => Promise<response>` or async iterables. */
export type Handlers<S extends ServiceDefinition> = { readonly [K in keyof S]: Shape<S[K], [context: CallContext]> };

/** A service's methods as a caller sees them. */
export type Methods<S extends ServiceDefinition> = { readonly [K in keyof S]: Shape<S[K], [options?: CallOptions]> };

/** A definition with its handlers, as the server takes them. */
export interface ServiceBinding {
  readonly definition: ServiceDefinition;
  readonly handlers: Readonly<Record<string, unknown>>;
}

/** Binds handlers to a definition; the compiler checks that every method is there with the right types. */
export const service = <S extends ServiceDefinition>(definition: S, handlers: Handlers<S>): ServiceBinding => ({
  definition,
  handlers: handlers as Readonly<Record<string, unknown>>,
});
