import type { WireError } from './wire/frames.ts';
import { enumeration, type Kind } from './wire/shape.ts';

const reasons = [
  'UNSPECIFIED',
  'INVALID_ARGUMENT',
  'MALFORMED_FRAME',
  'FRAME_TOO_LARGE',
  'UNSUPPORTED_SUBPROTOCOL',
  'UNIMPLEMENTED',
  'UNAUTHENTICATED',
  'TOKEN_EXPIRED',
  'TOKEN_IN_URL',
  'SESSION_REVOKED',
  'REFRESH_TOKEN_REUSED',
  'PERMISSION_DENIED',
  'CONVERSATION_NOT_FOUND',
  'MESSAGE_NOT_FOUND',
  'USER_NOT_FOUND',
  'NOT_FOUND',
  'IDEMPOTENCY_CONFLICT',
  'FAILED_PRECONDITION',
  'CONVERSATION_ARCHIVED',
  'LIMIT_EXCEEDED',
  'RATE_LIMITED',
  'TOO_MANY_CONNECTIONS',
  'SLOW_CONSUMER',
  'OVERLOADED',
  'UNAVAILABLE',
  'DEADLINE_EXCEEDED',
  'DRAINING',
  'PING_TIMEOUT',
  'PROTOCOL_VIOLATION',
  'ORIGIN_NOT_ALLOWED',
  'TENANT_SUSPENDED',
  'USER_DEACTIVATED',
  'CONTENT_REJECTED',
  'POLICY_UNAVAILABLE',
  'HISTORY_UNAVAILABLE',
  'CURSOR_INVALID',
  'PAYLOAD_NOT_JSON',
  'METHOD_NOT_ALLOWED',
  'CAPABILITY_MISSING',
  'INTERNAL',
  'CONTENT_HELD',
  'LEGAL_HOLD',
] as const;

/** Reasons of the service's one table, without the prefix ERROR_REASON_. A reason this version does not know reads UNSPECIFIED. */
export type Reason = (typeof reasons)[number];
/** The service's reasons, and CLIENT_CLOSED: the client was closed before there was an answer. */
export type ClientReason = Reason | 'CLIENT_CLOSED';

export const reasonKind: Kind<Reason> = enumeration('caas.common.v1.ErrorReason', 'ERROR_REASON_', reasons);

/** What else an error tells. */
export interface ClientErrorFacts {
  /** True when the same request may succeed later. */
  readonly retryable?: boolean;
  /** Least time to wait before a retry, in milliseconds. */
  readonly retryAfterMs?: number;
  /** Trace id to quote to an operator; empty when the request never reached a node. */
  readonly traceId?: string;
  /** What the reason refers to, for example field, limit, unit. */
  readonly details?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** The only error this SDK rejects with on purpose. Decide by `reason`, never by the text. */
export class CaasClientError extends Error {
  override readonly name: string = 'CaasClientError';
  /** Why. */
  readonly reason: ClientReason;
  /** True when the same request may succeed later. */
  readonly retryable: boolean;
  /** Least time to wait before a retry, in milliseconds; 0: at once, or not retryable. */
  readonly retryAfterMs: number;
  /** W3C trace id of the request, 32 lower-case hex digits; empty when it never reached a node. */
  readonly traceId: string;
  /** What the reason refers to, for example field, limit, unit. */
  readonly details: Readonly<Record<string, string>>;

  constructor(reason: ClientReason, message: string, facts: ClientErrorFacts = {}) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.reason = reason;
    this.retryable = facts.retryable ?? false;
    this.retryAfterMs = facts.retryAfterMs ?? 0;
    this.traceId = facts.traceId ?? '';
    this.details = facts.details ?? {};
  }
}

/** The error a node sent. */
export const errorOf = (wire: WireError): CaasClientError => new CaasClientError(wire.reason, wire.message, wire);

/** Whatever was thrown, as a CaasClientError; faults of the application's callbacks are retryable. */
export const toClientError = (thrown: unknown, what: string): CaasClientError =>
  thrown instanceof CaasClientError
    ? thrown
    : new CaasClientError('UNAVAILABLE', `${what} failed`, { retryable: true, cause: thrown });

export const closedError = (): CaasClientError => new CaasClientError('CLIENT_CLOSED', 'the client is closed');

/** What a limit of this SDK that is reached rejects with; retryable, since what fills it passes. */
export const limitError = (limit: string, unit: string, value: number): CaasClientError =>
  new CaasClientError('LIMIT_EXCEEDED', `${limit} of ${value} ${unit} is reached`, {
    retryable: true,
    details: { limit, unit, value: String(value) },
  });

/** What the client does about a close code. */
export interface CloseRule {
  readonly reason: Reason;
  /** False: connecting again the same way is pointless. */
  readonly retryable: boolean;
  /** Least wait before the next connection, in milliseconds. */
  readonly retryAfterMs: number;
}

const rule = (reason: Reason, retryable = false, retryAfterMs = 0): CloseRule => ({ reason, retryable, retryAfterMs });

/** Close codes of the service's table. */
export const closeRules: ReadonlyMap<number, CloseRule> = new Map([
  [1002, rule('PROTOCOL_VIOLATION')],
  [1009, rule('FRAME_TOO_LARGE')],
  [1011, rule('INTERNAL', true, 1_000)],
  [1013, rule('UNAVAILABLE', true, 1_000)],
  [4400, rule('MALFORMED_FRAME')],
  [4401, rule('UNAUTHENTICATED')],
  [4402, rule('TOKEN_EXPIRED')],
  [4403, rule('TOKEN_IN_URL')],
  [4404, rule('SESSION_REVOKED')],
  [4405, rule('ORIGIN_NOT_ALLOWED')],
  [4406, rule('TENANT_SUSPENDED')],
  [4407, rule('USER_DEACTIVATED')],
  [4408, rule('SLOW_CONSUMER', true, 1_000)],
  [4410, rule('PING_TIMEOUT', true)],
  [4429, rule('RATE_LIMITED', true, 1_000)],
  [4430, rule('TOO_MANY_CONNECTIONS', true, 5_000)],
  [4431, rule('OVERLOADED', true, 1_000)],
  [4503, rule('DRAINING', true)],
]);

/** Rule of a close code; codes outside the table (network loss, proxies) are retryable at once. */
export const closeRuleOf = (code: number): CloseRule => closeRules.get(code) ?? rule('UNAVAILABLE', true);

/** Reasons that a fresh token may cure. */
export const curedByNewToken = (reason: Reason): boolean => reason === 'UNAUTHENTICATED' || reason === 'TOKEN_EXPIRED';
