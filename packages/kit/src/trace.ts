import { randomFillSync } from 'node:crypto';

/** `00-<32 hex trace id>-<16 hex span id>-<2 hex flags>` of W3C Trace Context, version 00 or later. */
const pattern = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$/;

const idBytes = 24;
/** Random bytes drawn ahead: one call into the system for many ids costs a tenth of one for each. */
const pool = Buffer.allocUnsafeSlow(idBytes * 256);
let poolAt = pool.length;

/** A new root traceparent, not sampled. */
export const newTraceparent = (): string => {
  if (poolAt === pool.length) {
    randomFillSync(pool);
    poolAt = 0;
  }
  const hex = pool.toString('hex', poolAt, poolAt + idBytes);
  poolAt += idBytes;
  return `00-${hex.slice(0, 32)}-${hex.slice(32, 48)}-00`;
};

export const isTraceparent = (value: string): boolean =>
  value.length >= 55 && value.length <= 512 && pattern.test(value) && (value.length === 55 || !value.startsWith('00'));

/** The caller's traceparent when it is well formed, else a new one: a bad header never refuses a request. */
export const traceparentOr = (value: string | undefined): string =>
  value !== undefined && isTraceparent(value) ? value : newTraceparent();

/** A traceparent of a trace that goes on, under a span of its own. */
export const traceparentIn = (traceId: string): string => `00-${traceId}-${newTraceparent().slice(36)}`;

/** Trace id of a well-formed traceparent, 32 hex digits. */
export const traceIdOf = (traceparent: string): string => traceparent.slice(3, 35);
