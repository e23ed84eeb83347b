import { type DescEnum, type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';
import { limitOf } from '@caas/kit/contract';

/** The first thing wrong with a value. */
export interface ShapeFault {
  /** Where, as the client wrote it. */
  path: string[];
  /** Where, in the contract's own names. */
  field: string[];
  /** Why; never longer than a line, whatever came. */
  message: string;
  /** Set when the value is a field nobody knows. */
  unknown?: string;
  /** Set when it has more items than the contract lets through. */
  tooMany?: { items: number; max: number };
}

type Check = (value: unknown) => ShapeFault | undefined;

/**
 * Strict checks of messages in protobuf JSON, built from their descriptors, so that contract and validation can't drift.
 * The generated `fromJSON` ignores unknown fields and converts wrong types; these refuse both. They end at the first
 * fault, and count items before they look at any: what a frame can cost is bounded by its bytes (ADR 17). Values outside
 * other limits are judged after decoding, the same for both subprotocols.
 */
const shapes = new Map<string, Check>();

/** What is shown of a name that came from outside, characters. */
const maxShownName = 64;
export const shown = (name: string): string => name.slice(0, maxShownName);

const wrong = (message: string): ShapeFault => ({ path: [], field: [], message });

const at = (key: string, name: string, fault: ShapeFault | undefined): ShapeFault | undefined => {
  fault?.path.unshift(shown(key));
  fault?.field.unshift(shown(name));
  return fault;
};

const check =
  (is: (value: unknown) => boolean, message: string): Check =>
  (value) =>
    is(value) ? undefined : wrong(message);

/** Lone surrogates have no UTF-8 form and NUL is refused by engines behind us. */
const isText = (value: unknown): boolean => typeof value === 'string' && value.isWellFormed() && !value.includes('\0');
const text = check(isText, 'well-formed text without NUL');

const isSafeInteger = (value: unknown): boolean =>
  Number.isSafeInteger(value) ||
  (typeof value === 'string' && /^-?\d{1,16}$/.test(value) && Number.isSafeInteger(Number(value)));

const between =
  (min: number, max: number) =>
  (value: unknown): boolean =>
    Number.isInteger(value) && (value as number) >= min && (value as number) <= max;

const scalarShape = (scalar: ScalarType): Check => {
  switch (scalar) {
    case ScalarType.STRING:
      return text;
    case ScalarType.BOOL:
      return check((value) => typeof value === 'boolean', 'true or false');
    case ScalarType.BYTES:
      return check((value) => typeof value === 'string' && /^[A-Za-z0-9+/_-]*={0,2}$/.test(value), 'base64');
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return check(Number.isFinite, 'a number');
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return check(between(-(2 ** 31), 2 ** 31 - 1), 'a whole number of 32 bits');
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return check(between(0, 2 ** 32 - 1), 'a whole number of 32 bits, not negative');
    default:
      return check(isSafeInteger, 'a whole number below 2^53');
  }
};

const enumShape = (type: DescEnum): Check => {
  const known = new Set<unknown>(type.values.flatMap((value) => [value.name, value.number]));
  return check((value) => known.has(value), `a value of ${type.name}`);
};

const entryShape = (field: DescField): Check => {
  if (field.message) return shapeOf(field.message);
  if (field.enum) return enumShape(field.enum);
  return scalarShape(field.scalar as ScalarType);
};

const tooMany = (items: number, max: number): ShapeFault => ({
  ...wrong(`at most ${max} items allowed`),
  tooMany: { items, max },
});

/** Items of a list or map at most; without a limit of the contract the frame's own bytes are one. */
const maxItemsOf = (field: DescField): number => limitOf(field)?.maxItems || Number.POSITIVE_INFINITY;

const listShape = (entry: Check, maxItems: number): Check => {
  return (value) => {
    if (!Array.isArray(value)) return wrong('a list');
    if (value.length > maxItems) return tooMany(value.length, maxItems);
    for (let i = 0; i < value.length; i++) {
      const fault = entry(value[i]);
      if (fault) return at(String(i), String(i), fault);
    }
    return undefined;
  };
};

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const mapShape = (entry: Check, maxItems: number): Check => {
  return (value) => {
    if (!isObject(value)) return wrong('an object');
    const keys = Object.keys(value);
    if (keys.length > maxItems) return tooMany(keys.length, maxItems);
    for (const key of keys) {
      // No map on our side could hold it.
      if (key === '__proto__') return wrong('a key must not be __proto__');
      const fault = text(key) ?? entry(value[key]);
      if (fault) return at(key, key, fault);
    }
    return undefined;
  };
};

const fieldShape = (field: DescField): Check => {
  const entry = entryShape(field);
  if (field.fieldKind === 'list') return listShape(entry, maxItemsOf(field));
  if (field.fieldKind === 'map') return mapShape(entry, maxItemsOf(field));
  return entry;
};

/** Check of a message type; every field optional, as in proto3, by its JSON name or its proto name. */
export const shapeOf = (type: DescMessage): Check => {
  const known = shapes.get(type.typeName);
  if (known) return known;
  const fields = new Map<string, { name: string; shape: Check }>();
  const shape: Check = (value) => {
    if (!isObject(value)) return wrong('an object');
    for (const key in value) {
      const field = fields.get(key);
      if (!field) return { ...wrong('unknown field'), unknown: shown(key) };
      const fault = field.shape(value[key]);
      if (fault) return at(key, field.name, fault);
    }
    return undefined;
  };
  // Before its fields are looked at: a type may hold itself.
  shapes.set(type.typeName, shape);
  for (const field of type.fields) {
    const entry = { name: field.name, shape: fieldShape(field) };
    fields.set(field.jsonName, entry);
    fields.set(field.name, entry);
  }
  return shape;
};
