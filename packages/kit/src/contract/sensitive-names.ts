import { descriptors } from '@caas/proto/descriptor';
import { isSensitive } from './options.ts';

/** A key as it is compared: `app_secret`, `appSecret` and `app-secret` are one. */
export const plainKey = (key: string): string => key.toLowerCase().replaceAll(/[_-]/g, '');

let names: ReadonlySet<string> | undefined;

/**
 * Names of all fields that some message of the contract marks with the option `sensitivity`, as `plainKey` writes them.
 * A name that is harmless in one message and not in another counts as sensitive.
 */
export const sensitiveNames = (): ReadonlySet<string> => {
  names ??= new Set(
    [...descriptors()].flatMap((entry) =>
      entry.kind === 'message' ? entry.fields.filter(isSensitive).map((field) => plainKey(field.name)) : [],
    ),
  );
  return names;
};
