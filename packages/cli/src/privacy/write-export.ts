import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { CaasError } from '@caas/kit';
import { ConfigError } from '@caas/kit/config';
import type { ReadExportResponse } from '@caas/proto/caas/compliance/v1/privacy_service';
import { extract } from 'tar-stream';

async function* bytesOf(chunks: AsyncIterable<ReadExportResponse>): AsyncGenerator<Uint8Array> {
  for await (const { chunk } of chunks) yield chunk;
}

const there = (path: string, cause: unknown): unknown =>
  (cause as NodeJS.ErrnoException).code === 'EEXIST'
    ? new ConfigError(`${path} is there already: name another`)
    : cause;

/** Writes an export as the tar archive it is, mode 0600. */
export const writeTar = async (chunks: AsyncIterable<ReadExportResponse>, file: string): Promise<void> => {
  await pipeline(bytesOf(chunks), createWriteStream(file, { flags: 'wx', mode: 0o600 })).catch((cause: unknown) => {
    throw there(file, cause);
  });
};

/** A path an export may have: nothing that leads elsewhere. */
export const isExportPath = (path: string): boolean => /^[\w-][\w.-]*(\/[\w-][\w.-]*)*$/.test(path);

/** Writes an export's files into a new folder, mode 0700; answers how many. */
export const writeFolder = async (
  chunks: AsyncIterable<ReadExportResponse>,
  folder: string,
  onFile: (files: number) => void,
): Promise<number> => {
  await mkdir(folder, { mode: 0o700 }).catch((cause: unknown) => {
    throw there(folder, cause);
  });
  const tar = extract();
  const reading = pipeline(bytesOf(chunks), tar as unknown as NodeJS.WritableStream);
  reading.catch(() => undefined);
  let files = 0;
  for await (const entry of tar) {
    const { name } = entry.header;
    if (entry.header.type !== 'file' || !isExportPath(name))
      throw new CaasError('INTERNAL', 'the export names a file it may not');
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await pipeline(entry as unknown as NodeJS.ReadableStream, createWriteStream(path, { flags: 'wx', mode: 0o600 }));
    files += 1;
    onFile(files);
  }
  await reading;
  return files;
};
