import { readFileSync } from 'node:fs';
import { createFileRegistry, type FileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';

let registry: FileRegistry | undefined;

/** Every file of proto/ with its custom options, from the committed descriptor image; read at first use. */
export const descriptors = (): FileRegistry => {
  registry ??= createFileRegistry(
    fromBinary(FileDescriptorSetSchema, readFileSync(new URL('../descriptor/caas.binpb', import.meta.url))),
  );
  return registry;
};
