import { ErrorReason, protoMetadata, type Error as WireError } from '@caas/proto/caas/common/v1/errors';
import type { ReasonRule } from '@caas/proto/caas/common/v1/options';

const prefix = 'ERROR_REASON_';

type Literal = keyof typeof ErrorReason;
/** Reason names without the enum's prefix, as code and REST write them. */
export type Reason = Literal extends infer L
  ? L extends `ERROR_REASON_${infer R}`
    ? Exclude<R, 'UNSPECIFIED'>
    : never
  : never;

const values = protoMetadata.options?.enums?.['ErrorReason']?.values ?? {};

/** The one table, read from the options of the ErrorReason enum. */
export const reasonTable: ReadonlyMap<Reason, ReasonRule> = new Map(
  Object.entries(values).map(([name, options]) => [
    name.slice(prefix.length) as Reason,
    options['reason'] as ReasonRule,
  ]),
);

/** Number of a reason on the wire. */
export const reasonNumber = (reason: Reason): ErrorReason => ErrorReason[`${prefix}${reason}` as Literal];

const reasonsByNumber = new Map<number, Reason>([...reasonTable.keys()].map((r) => [reasonNumber(r), r]));
/** Reason of a wire number; INTERNAL for a number this version does not know. */
export const reasonOf = (wire: number): Reason => reasonsByNumber.get(wire) ?? 'INTERNAL';

export const ruleOf = (reason: Reason): ReasonRule => {
  const rule = reasonTable.get(reason);
  if (!rule) throw new TypeError(`no rule for reason ${reason}`);
  return rule;
};

export interface FailureOptions {
  /** What the reason refers to (field, limit, unit, command); shown to the caller, so never a secret or text. */
  details?: Readonly<Record<string, string>>;
  /** Overrides the table's least wait, in milliseconds. */
  retryAfterMs?: number;
  /** Other than the table says: what is damaged stays so, and what is under way will be there. */
  retryable?: boolean;
  /** The fault behind it, for logs only. */
  cause?: unknown;
}

/** The only error services throw on purpose: a reason of the table, thrown once, mapped once at an edge. */
export class CaasError extends Error {
  readonly reason: Reason;
  readonly details: Readonly<Record<string, string>>;
  readonly retryAfterMs: number;
  readonly retryable: boolean;

  constructor(reason: Reason, message: string, options: FailureOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'CaasError';
    const rule = ruleOf(reason);
    this.reason = reason;
    this.details = options.details ?? {};
    this.retryable = options.retryable ?? rule.retryable;
    this.retryAfterMs = options.retryAfterMs ?? (this.retryable ? rule.retryAfterMs : 0);
  }
}

/** Throws a CaasError; `never` lets expressions end in it. */
export const fail = (reason: Reason, message: string, options?: FailureOptions): never => {
  throw new CaasError(reason, message, options);
};

/** Whatever was thrown, as a CaasError: an unknown fault becomes INTERNAL and its text stays inside. */
export const toCaasError = (thrown: unknown): CaasError =>
  thrown instanceof CaasError ? thrown : new CaasError('INTERNAL', 'internal error', { cause: thrown });

const passingReasons: ReadonlySet<Reason> = new Set<Reason>([
  'UNAVAILABLE',
  'OVERLOADED',
  'DEADLINE_EXCEEDED',
  'RATE_LIMITED',
  'DRAINING',
]);

/** True for faults of an engine, not of what it was asked: the same may well go through later. */
export const isPassing = (fault: unknown): boolean => fault instanceof CaasError && passingReasons.has(fault.reason);

/** The error as every edge sends it. */
export const toWireError = (error: CaasError, traceId: string): WireError => ({
  reason: reasonNumber(error.reason),
  message: error.message,
  retryable: error.retryable,
  retryAfterMs: error.retryAfterMs,
  traceId,
  details: { ...error.details },
});

/** The error a peer sent, to be thrown here. */
export const fromWireError = (wire: WireError): CaasError =>
  new CaasError(reasonOf(wire.reason), wire.message, {
    details: wire.details,
    retryAfterMs: wire.retryAfterMs,
    retryable: wire.retryable,
  });
