import { type DescField, type DescMessage, getOption, hasOption } from '@bufbuild/protobuf';
import type { FieldLimit } from '@caas/proto/caas/common/v1/options';
import { descriptors } from '@caas/proto/descriptor';

/** A custom option's descriptor by its name in caas.common.v1. */
export const extension = (name: string) => {
  const found = descriptors().getExtension(`caas.common.v1.${name}`);
  if (!found) throw new TypeError(`the descriptor image has no option ${name}`);
  return found;
};

/** A message type by its full name. */
export const messageType = (typeName: string): DescMessage => {
  const found = descriptors().getMessage(typeName);
  if (!found) throw new TypeError(`the descriptor image has no message ${typeName}`);
  return found;
};

/** Limits of a field, as numbers: the contract keeps every int64 below 2^53. */
export const limitOf = (field: DescField): FieldLimit | undefined => {
  const option = extension('limit');
  if (!hasOption(field, option)) return undefined;
  const limit = getOption(field, option) as unknown as Record<keyof FieldLimit, number | bigint>;
  return {
    minBytes: Number(limit.minBytes),
    maxBytes: Number(limit.maxBytes),
    minItems: Number(limit.minItems),
    maxItems: Number(limit.maxItems),
    min: Number(limit.min),
    max: Number(limit.max),
  };
};

/** True for fields whose value must not reach a log. */
export const isSensitive = (field: DescField): boolean => Number(getOption(field, extension('sensitivity'))) !== 0;

/** The message type a field holds, repeats or maps to; undefined for scalars and Google's own types. */
export const nestedType = (field: DescField): DescMessage | undefined => {
  const type =
    field.fieldKind === 'message'
      ? field.message
      : field.fieldKind === 'list' && field.listKind === 'message'
        ? field.message
        : field.fieldKind === 'map' && field.mapKind === 'message'
          ? field.message
          : undefined;
  return type?.typeName.startsWith('google.protobuf.') ? undefined : type;
};

/** A message as ts-proto holds it in memory: fields by JSON name, a oneof as `{$case, value}`. */
export type Fields = Readonly<Record<string, unknown>>;

/** Value of a field in memory; undefined when absent. */
export const fieldValue = (message: Fields, field: DescField): unknown => {
  if (!field.oneof) return message[field.jsonName];
  const chosen = message[field.oneof.localName] as { $case: string; value: unknown } | undefined;
  return chosen?.$case === field.jsonName ? chosen.value : undefined;
};
