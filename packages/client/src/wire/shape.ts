/**
 * Reading protobuf JSON: names in lowerCamelCase, enums as names, 64-bit integers as numbers (strings are taken too),
 * and what is absent has its default. A shape lists a message's fields, so that a test can hold it against the contract.
 */

/** How one field is read. */
export interface Kind<T> {
  /** Name of the type in the contract: a scalar's, `map`, `list <kind>`, an enum's or a message's full name. */
  readonly name: string;
  /** The value of a field that may be absent. */
  read(json: unknown): T;
}

/** How each field of a message is read. */
export type Shape<T> = { readonly [K in keyof T]-?: Kind<T[K]> };

/** A message: reads to an object with every field present. */
export interface MessageKind<T> extends Kind<T> {
  readonly shape: Shape<T>;
}

type Json = Record<string, unknown>;
const isObject = (json: unknown): json is Json => typeof json === 'object' && json !== null && !Array.isArray(json);

export const text: Kind<string> = { name: 'string', read: (json) => (typeof json === 'string' ? json : '') };
/** Bytes, in base64. */
export const base64: Kind<string> = { name: 'bytes', read: text.read };
export const flag: Kind<boolean> = { name: 'bool', read: (json) => json === true };
export const whole: Kind<number> = {
  name: 'int',
  read: (json) => {
    if (typeof json === 'number') return json;
    const parsed = typeof json === 'string' ? Number(json) : 0;
    return Number.isSafeInteger(parsed) ? parsed : 0;
  },
};
export const dictionary: Kind<Readonly<Record<string, string>>> = {
  name: 'map',
  read: (json) => (isObject(json) ? (json as Record<string, string>) : {}),
};

export const list = <T>(of: Kind<T>): Kind<readonly T[]> => ({
  name: `list ${of.name}`,
  read: (json) => (Array.isArray(json) ? json.map((item) => of.read(item)) : []),
});

/** An enum whose names the contract begins with a prefix that the SDK leaves out. */
export const enumeration = <const T extends string>(name: string, prefix: string, values: readonly T[]): Kind<T> => {
  const known = new Map<unknown, T>(values.map((value) => [prefix + value, value]));
  const first = values[0] as T;
  return { name, read: (json) => known.get(json) ?? first };
};

export const message = <T>(name: string, shape: Shape<T>): MessageKind<T> => {
  const fields = Object.entries(shape) as [keyof T, Kind<T[keyof T]>][];
  return {
    name,
    shape,
    read: (json) => {
      const from: Json = isObject(json) ? json : {};
      const to = {} as T;
      for (const [key, kind] of fields) to[key] = kind.read(from[key as string]);
      return to;
    },
  };
};

/** A message field that may be absent. */
export const optional = <T>(of: Kind<T>): Kind<T | undefined> => ({
  name: of.name,
  read: (json) => (isObject(json) ? of.read(json) : undefined),
});
