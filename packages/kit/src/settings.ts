/** What config.ts of a service describes its environment with; `@caas/kit/config`. */
import { type ZodType, z } from 'zod';

export { ConfigError, loadConfig } from './config.ts';

/** A setting read from text; `undefined` from `read` means it is not what was expected. */
const setting = <T>(expected: string, read: (text: string) => T | undefined, quote = true) =>
  z.string({ error: () => `${expected} expected, but it is not set` }).transform((text, context): T => {
    const value = read(text);
    if (value !== undefined) return value;
    context.addIssue(`${expected} expected${quote ? `, got ${JSON.stringify(text.slice(0, 64))}` : ''}`);
    return z.NEVER;
  });

const within = (value: number, min: number, max: number): number | undefined =>
  Number.isSafeInteger(value) && value >= min && value <= max ? value : undefined;

const decimal = (text: string): number => (/^-?\d{1,16}$/.test(text.trim()) ? Number(text) : Number.NaN);

/** A whole number with a unit, for example `250ms` or `16KiB`; without a unit it is the base unit. */
const scaled = (text: string, units: Readonly<Record<string, number>>): number => {
  const [, digits, unit] = /^(\d{1,16})\s*([A-Za-z]*)$/.exec(text.trim()) ?? [];
  const factor = unit === '' ? 1 : units[unit ?? '?'];
  return digits === undefined || factor === undefined ? Number.NaN : Number(digits) * factor;
};

export interface Range {
  min?: number;
  max?: number;
}

const rangeText = ({ min = 0, max = Number.MAX_SAFE_INTEGER }: Range): string =>
  max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;

/** TCP port; 0 means any free one. */
export const port = () => setting('a port from 0 to 65535', (text) => within(decimal(text), 0, 65_535));

/** Whole number without a unit: counts. */
export const count = (range: Range = {}) =>
  setting(`a whole number ${rangeText(range)}`, (text) =>
    within(decimal(text), range.min ?? 0, range.max ?? Number.MAX_SAFE_INTEGER),
  );

/** Duration in milliseconds; `ms`, `s`, `m`, `h` and `d` are understood as units. */
export const milliseconds = (range: Range = {}) =>
  setting(`a duration ${rangeText(range)} ms (as 250, 250ms, 5s, 15m, 1h or 30d)`, (text) =>
    within(
      scaled(text, { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }),
      range.min ?? 0,
      range.max ?? Number.MAX_SAFE_INTEGER,
    ),
  );

/** Size in bytes; `KiB`, `MiB` and `GiB` are understood as units. */
export const bytes = (range: Range = {}) =>
  setting(`a size ${rangeText(range)} bytes (as 65536, 64KiB, 1MiB or 2GiB)`, (text) =>
    within(
      scaled(text, { B: 1, KiB: 1_024, MiB: 1_048_576, GiB: 1_073_741_824 }),
      range.min ?? 0,
      range.max ?? Number.MAX_SAFE_INTEGER,
    ),
  );

const flags: Readonly<Record<string, boolean>> = {
  true: true,
  '1': true,
  on: true,
  yes: true,
  false: false,
  '0': false,
  off: false,
  no: false,
};

/** Yes or no. */
export const flag = () => setting('true or false', (text) => flags[text.trim().toLowerCase()]);

/** One of the given words. */
export const oneOf = <const W extends string>(...words: readonly W[]) =>
  setting(`one of ${words.join(', ')}`, (text) => words.find((word) => word === text.trim()));

/** URL of one of the given protocols, without a trailing slash. May hold credentials, so errors never quote it. */
export const url = (...protocols: readonly string[]) =>
  setting(
    `a URL${protocols.length > 0 ? ` with ${protocols.map((name) => `${name}://`).join(' or ')}` : ''}`,
    (text) => {
      const parsed = URL.parse(text.trim());
      if (!parsed || (protocols.length > 0 && !protocols.includes(parsed.protocol.slice(0, -1)))) return undefined;
      return text.trim().replace(/\/+$/, '');
    },
    false,
  );

/** Any text, for names and paths. */
export const text = () => setting('a text', (value) => value);

/** `host:port`, as gRPC addresses are written. */
export const address = () =>
  setting('host:port', (value) => {
    const [, digits] = /^(?:\[[0-9a-fA-F:]+\]|[^:\s]+):(\d{1,5})$/.exec(value.trim()) ?? [];
    return digits !== undefined && Number(digits) <= 65_535 ? value.trim() : undefined;
  });

/** A secret of at least `minBytes` UTF-8 bytes; errors never quote it. */
export const secret = (minBytes = 16) =>
  setting(
    `a secret of at least ${minBytes} bytes`,
    (value) => (Buffer.byteLength(value) >= minBytes ? value : undefined),
    false,
  );

/** A secret that travels as gRPC metadata, which takes no other characters; errors never quote it. */
export const token = (minBytes = 16) =>
  setting(
    `a secret of at least ${minBytes} letters, digits and _~.+/=-`,
    (value) => (value.length >= minBytes && /^[\w~.+/=-]+$/.test(value) ? value : undefined),
    false,
  );

/** Comma-separated entries, each read as `entry` says; blanks around them are dropped. */
export const list = <T>(entry: ZodType<T, string>) =>
  z.string({ error: () => 'a comma-separated list expected, but it is not set' }).transform((value, context): T[] => {
    const parts = value.split(',').map((part) => part.trim());
    return parts
      .filter((part) => part !== '')
      .map((part, index) => {
        const result = entry.safeParse(part);
        if (result.success) return result.data;
        context.addIssue(`entry ${index + 1}: ${result.error.issues[0]?.message ?? 'wrong'}`);
        return z.NEVER;
      });
  });
