import { createWriteStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { ConfigError } from '@caas/kit/config';
import { Checkpoint } from '@caas/proto/caas/compliance/v1/audit_service';

const told = (file: string, cause: unknown): ConfigError =>
  new ConfigError(`${file} can't be read: ${(cause as NodeJS.ErrnoException).code ?? String(cause)}`);

/** The lines of a file, one by one. */
export async function* linesIn(file: string): AsyncGenerator<string> {
  const handle = await open(file).catch((cause: unknown) => {
    throw told(file, cause);
  });
  try {
    yield* handle.readLines();
  } finally {
    await handle.close();
  }
}

/** Writes lines to a file of mode 0600, which must not be there yet, as fast as it takes them. */
export const writeLines = async (file: string, lines: AsyncIterable<string>): Promise<void> => {
  try {
    await pipeline(lines, createWriteStream(file, { flags: 'wx', mode: 0o600 }));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
    throw new ConfigError(`${file} is there already: name another file`);
  }
};

/** The checkpoint at the end of an export, or alone in a file. */
export const checkpointIn = async (file: string): Promise<Checkpoint> => {
  let last = '';
  for await (const line of linesIn(file)) if (line !== '') last = line;
  try {
    const { checkpoint } = JSON.parse(last) as { checkpoint: object };
    if (typeof checkpoint !== 'object' || checkpoint === null) throw new TypeError('no checkpoint');
    return Checkpoint.fromJSON(checkpoint);
  } catch {
    throw new ConfigError(`${file} does not end with a checkpoint`);
  }
};

/** A public key as it is written, 32 bytes in base64. */
export const publicKeyFrom = (text: string): Uint8Array => {
  const key = Uint8Array.from(Buffer.from(text, 'base64'));
  if (key.length !== 32) throw new ConfigError('--key is the 32 bytes of an Ed25519 public key, in base64');
  return key;
};
