import { type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';
import { type ZodType, z } from 'zod';

/**
 * Strict zod shapes of messages in protobuf JSON, built from their descriptors, so that contract and validation can't
 * drift. The generated `fromJSON` ignores unknown fields and converts wrong types; these shapes refuse both. Values
 * outside limits are judged after decoding, the same for both subprotocols.
 */
const shapes = new Map<string, ZodType>();

const maxSafe = Number.MAX_SAFE_INTEGER;
const safeInteger = z.union([
  z.int().min(-maxSafe).max(maxSafe),
  z
    .string()
    .regex(/^-?\d{1,16}$/)
    .refine((digits) => Number.isSafeInteger(Number(digits)), 'a whole number below 2^53'),
]);
/** Lone surrogates have no UTF-8 form and NUL is refused by engines behind us. */
const text = z
  .string()
  .refine((value) => value.isWellFormed() && !value.includes('\0'), 'well-formed text without NUL');

const scalarShape = (scalar: ScalarType): ZodType => {
  switch (scalar) {
    case ScalarType.STRING:
      return text;
    case ScalarType.BOOL:
      return z.boolean();
    case ScalarType.BYTES:
      return z.string().regex(/^[A-Za-z0-9+/_-]*={0,2}$/, 'base64');
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return z.number();
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return z.int32();
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return z.uint32();
    default:
      return safeInteger;
  }
};

const entryShape = (field: DescField): ZodType => {
  if (field.message) return shapeOf(field.message);
  if (field.enum)
    return z.union([z.enum(field.enum.values.map((v) => v.name)), z.literal(field.enum.values.map((v) => v.number))]);
  return scalarShape(field.scalar as ScalarType);
};

/** zod passes over a `__proto__` key, which no map on our side could hold. */
const plainRecord = (entry: ZodType): ZodType =>
  z.preprocess(
    (value, context) => {
      if (typeof value === 'object' && value !== null && Object.hasOwn(value, '__proto__'))
        context.addIssue({ code: 'custom', message: 'a key must not be __proto__' });
      return value;
    },
    z.record(text, entry),
  );

const fieldShape = (field: DescField): ZodType => {
  const entry = entryShape(field);
  if (field.fieldKind === 'list') return z.array(entry);
  if (field.fieldKind === 'map') return plainRecord(entry);
  return entry;
};

/** Shape of a message type; every field optional, as in proto3, by its JSON name or its proto name. */
export const shapeOf = (type: DescMessage): ZodType => {
  const known = shapes.get(type.typeName);
  if (known) return known;
  const fields: Record<string, ZodType> = {};
  for (const field of type.fields) {
    const shape = fieldShape(field).optional();
    fields[field.jsonName] = shape;
    fields[field.name] = shape;
  }
  const shape = z.strictObject(fields);
  shapes.set(type.typeName, shape);
  return shape;
};
