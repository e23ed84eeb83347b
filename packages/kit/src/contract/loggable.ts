import type { DescMessage } from '@bufbuild/protobuf';
import { descriptors } from '@caas/proto/descriptor';
import { type Fields, fieldValue, isSensitive, nestedType } from './options.ts';

const plain = (value: unknown): unknown => (value instanceof Uint8Array ? `<${value.byteLength} bytes>` : value);

const copyOf = (type: DescMessage, message: Fields): Record<string, unknown> => {
  const copy: Record<string, unknown> = {};
  for (const field of type.fields) {
    const value = fieldValue(message, field);
    if (value === undefined || isSensitive(field)) continue;
    const nested = nestedType(field);
    const one = (item: unknown): unknown => (nested && item ? copyOf(nested, item as Fields) : plain(item));
    copy[field.name] =
      field.fieldKind === 'list'
        ? (value as readonly unknown[]).map(one)
        : field.fieldKind === 'map'
          ? Object.fromEntries(Object.entries(value as Fields).map(([key, item]) => [key, one(item)]))
          : one(value);
  }
  return copy;
};

/**
 * A copy of a message for logs, under its proto names, without the fields its proto marks as sensitive and with the
 * length in place of bytes. Empty for a type the contract does not know: what can't be judged is not logged.
 */
export const loggable = (typeName: string, message: object): Record<string, unknown> => {
  const type = descriptors().getMessage(typeName);
  return type ? copyOf(type, message as Fields) : {};
};
