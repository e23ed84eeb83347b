/** The one logger; `@caas/kit/log`. */
import { type DestinationStream, type Logger, pino } from 'pino';
import { plainKey, sensitiveNames } from './contract/sensitive-names.ts';

export type { Logger } from 'pino';

export interface LoggerOptions {
  /** Name of the service, on every line. */
  service: string;
  /** Least level that is written; "silent" writes nothing. */
  level?: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
  /** Where lines go; standard output when absent. */
  destination?: DestinationStream;
}

const censored = '[redacted]';
/** Depth below which values are not looked at, and so not written. */
const maxDepth = 6;

/** Keys that hold credentials or what users wrote, and that no field of the contract has. */
const secretKey =
  /(secret|password|passphrase|token|authorization|cookie|credential|privatekey|apikey|datakey)s?$|^(plain|plaintext|body)$/;
/** What the contract marks as sensitive is, wherever it stands in what is logged. */
const isSecret = (key: string): boolean => {
  const plain = plainKey(key);
  return sensitiveNames().has(plain) || secretKey.test(plain);
};

/** Credentials inside a URL, and bearer tokens, wherever they stand in a text. */
const withoutCredentials = (text: string): string =>
  text.replaceAll(/(:\/\/)[^/@\s]*@/g, `$1${censored}@`).replaceAll(/\b(bearer[ .])[\w.~+/-]+=*/gi, `$1${censored}`);

const redactValue = (value: unknown, depth: number): unknown => {
  if (typeof value === 'string') return withoutCredentials(value);
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  if (value instanceof Error) return describeError(value);
  if (value instanceof Uint8Array) return `<${value.byteLength} bytes>`;
  if (depth >= maxDepth) return '[too deep]';
  if (Array.isArray(value)) return value.map((item) => redactValue(item, depth + 1));
  return redactObject(value as Record<string, unknown>, depth);
};

const redactObject = (object: Record<string, unknown>, depth: number): Record<string, unknown> => {
  const copy: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(object)) {
    // A number or flag under such a key counts or tells of one ("tokens: 3"); it is not one.
    const counts = typeof value === 'number' || typeof value === 'boolean' || value === undefined;
    copy[key] = isSecret(key) && !counts ? censored : redactValue(value, depth + 1);
  }
  return copy;
};

/** An error with the chain of its causes; of its own properties only those that are known to be safe. */
const describeError = (error: unknown, depth = 0): unknown => {
  if (!(error instanceof Error)) return redactValue(error, 2);
  const { reason, details, code } = error as Error & { reason?: unknown; details?: unknown; code?: unknown };
  return {
    type: error.name,
    message: withoutCredentials(error.message),
    ...(reason !== undefined && { reason }),
    ...(code !== undefined && { code }),
    ...(details !== undefined && { details: redactValue(details, 2) }),
    stack: withoutCredentials(error.stack ?? ''),
    ...(error.cause !== undefined && depth < maxDepth && { cause: describeError(error.cause, depth + 1) }),
  };
};

const clean = (value: unknown): unknown => (typeof value === 'string' ? withoutCredentials(value) : value);

/** The arguments of a log call with a clean message; pino would else take an error's message as it stands. */
const cleanArguments = ([first, ...rest]: readonly unknown[]): unknown[] => {
  const object = first instanceof Error ? { err: first } : first;
  if (typeof object !== 'object' || object === null) return [first, ...rest].map(clean);
  const { err } = object as { err?: unknown };
  return [object, ...(rest.length === 0 && err instanceof Error ? [err.message] : rest).map(clean)];
};

/** A logger of JSON lines (`level`, `time` as RFC 3339, `service`, `msg` …) that leaves out what must not be written. */
export const createLogger = ({ service, level = 'info', destination }: LoggerOptions): Logger => {
  const logger = pino(
    {
      level,
      base: { service },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }), log: (object) => redactObject(object, 0) },
      // formatters.log has described errors by then; pino's own serializer would add their other properties.
      serializers: { err: (described: unknown) => described },
      hooks: {
        logMethod(inputs, method) {
          method.apply(this, cleanArguments(inputs) as typeof inputs);
        },
      },
    },
    ...(destination ? [destination] : []),
  );
  // pino shows the bindings of children to no formatter. Children inherit this method, and so do theirs.
  const child = logger.child;
  logger.child = function (this: Logger, bindings: object, options: object) {
    return child.call(this, redactObject(bindings as Record<string, unknown>, 0), options);
  } as Logger['child'];
  return logger;
};
