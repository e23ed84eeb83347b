import { type DescEnum, type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';
import type { FieldLimit } from '@caas/proto/caas/common/v1/options';
import { fail } from '../errors.ts';
import { type Fields, fieldValue, limitOf, messageType, nestedType } from './options.ts';

type Check = (value: unknown, path: string) => void;

const refuse = (field: string, actual: number, bound: 'min' | 'max', limit: number, unit: string): never =>
  fail(
    'INVALID_ARGUMENT',
    `${field} is ${actual} ${unit}, ${bound === 'max' ? 'at most' : 'at least'} ${limit} allowed`,
    {
      details: { field, bound, limit: String(limit), unit },
    },
  );

/** `max` 0 means no upper limit. */
const range = (path: string, actual: number, min: number, max: number, unit: string): void => {
  if (actual < min) refuse(path, actual, 'min', min, unit);
  if (max > 0 && actual > max) refuse(path, actual, 'max', max, unit);
};

const byteLength = (value: unknown): number =>
  typeof value === 'string' ? Buffer.byteLength(value) : value instanceof Uint8Array ? value.byteLength : 0;

/** Numbers an enum does not have survive decoding, as proto3 says; what nobody can judge goes no further. */
const enumCheck = (type: DescEnum): Check => {
  const known = new Set<unknown>(type.values.map(({ number }) => number));
  return (value, path) => {
    if (!known.has(value))
      fail('INVALID_ARGUMENT', `${path} is no ${type.name}`, { details: { field: path, unit: 'value' } });
  };
};

/** Check of one value of the field: an entry of it when the field repeats. */
const entryCheck = (field: DescField, limit: FieldLimit | undefined): Check | undefined => {
  const nested = nestedType(field);
  if (nested) return checkOf(nested);
  if (field.enum) return enumCheck(field.enum);
  if (!limit) return undefined;
  const scalar = field.fieldKind === 'message' ? undefined : field.scalar;
  if (scalar === ScalarType.STRING || scalar === ScalarType.BYTES) {
    const { minBytes, maxBytes } = limit;
    return minBytes > 0 || maxBytes > 0
      ? (value, path) => range(path, byteLength(value), minBytes, maxBytes, 'bytes')
      : undefined;
  }
  const { min, max } = limit;
  // A number with either bound has both: `min` left at 0 keeps negative values out.
  return min !== 0 || max !== 0
    ? (value, path) => {
        if (typeof value === 'number') range(path, value, min, max, 'value');
      }
    : undefined;
};

const listCheck = (limit: FieldLimit | undefined, entry: Check | undefined): Check | undefined => {
  const { minItems = 0, maxItems = 0 } = limit ?? {};
  if (minItems === 0 && maxItems === 0 && !entry) return undefined;
  return (value, path) => {
    const items = (value ?? []) as readonly unknown[];
    range(path, items.length, minItems, maxItems, 'items');
    if (entry) for (const [index, item] of items.entries()) entry(item, `${path}[${index}]`);
  };
};

const mapCheck = (limit: FieldLimit | undefined, entry: Check | undefined): Check | undefined => {
  const { minItems = 0, maxItems = 0, maxBytes = 0 } = limit ?? {};
  if (minItems === 0 && maxItems === 0 && maxBytes === 0 && !entry) return undefined;
  return (value, path) => {
    const entries = Object.entries((value ?? {}) as Fields);
    range(path, entries.length, minItems, maxItems, 'items');
    for (const [key, item] of entries) {
      range(`${path} key`, Buffer.byteLength(key), 0, maxBytes, 'bytes');
      entry?.(item, `${path}[${JSON.stringify(key)}]`);
    }
  };
};

const fieldCheck = (field: DescField): Check | undefined => {
  const limit = limitOf(field);
  const entry = entryCheck(field, limit);
  if (field.fieldKind === 'list') return listCheck(limit, entry);
  if (field.fieldKind === 'map') return mapCheck(limit, entry);
  return entry;
};

const compiled = new Map<DescMessage, Check | undefined>();
const compiling = new Set<DescMessage>();

/** The check of a message type, compiled once; undefined when nothing in it has a limit. */
const checkOf = (type: DescMessage): Check | undefined => {
  if (compiled.has(type)) return compiled.get(type);
  // A type that holds itself: looked up when it is met in a message, by when it is compiled.
  if (compiling.has(type)) return (value, path) => compiled.get(type)?.(value, path);
  compiling.add(type);
  const checks = type.fields.flatMap((field) => {
    const check = fieldCheck(field);
    return check ? [{ field, check }] : [];
  });
  const check: Check | undefined =
    checks.length === 0
      ? undefined
      : (message, path) => {
          for (const part of checks) {
            const value = fieldValue(message as Fields, part.field);
            // Absent messages, optional fields and unchosen oneof members have no value to judge.
            if (value !== undefined) part.check(value, path === '' ? part.field.name : `${path}.${part.field.name}`);
          }
        };
  compiling.delete(type);
  compiled.set(type, check);
  return check;
};

/**
 * A function that throws INVALID_ARGUMENT when a message of the type is outside the limits of its proto, with details
 * `field` (path in proto names), `bound` (min or max), `limit` and `unit` (bytes, items or value), and for a number
 * that its enum does not have. Nested messages, lists, maps and oneofs included.
 */
export const limitsOf = (typeName: string): ((message: object) => void) => {
  const check = checkOf(messageType(typeName));
  return check ? (message) => check(message, '') : () => {};
};
