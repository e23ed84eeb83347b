import { createHash } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import { pack } from 'tar-stream';
import { exportChunkBytes } from '../../limits.ts';
import type { ExportFile } from './files.ts';
import type { NamedFile } from './manifest.ts';

/** The bytes of a body, hashed on their way. */
async function* hashed(body: ExportFile['body'], hash: ReturnType<typeof createHash>): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    hash.update(chunk);
    yield chunk;
  }
}

/**
 * A tar archive of files, made as it is read: nothing of it is kept but a chunk. `added` hears of each file when it is in, and
 * may name one to put in after it.
 */
export async function* archiveOf(
  files: AsyncIterable<ExportFile>,
  added: (file: NamedFile) => ExportFile | undefined,
): AsyncGenerator<Uint8Array> {
  const tar = pack();
  const put = async (file: ExportFile): Promise<NamedFile> => {
    const hash = createHash('sha256');
    const entry = tar.entry({ name: file.path, size: file.sizeBytes, mode: 0o600, mtime: new Date(0) });
    await pipeline(hashed(file.body, hash), entry as unknown as NodeJS.WritableStream);
    return { path: file.path, size: file.sizeBytes, sha256: hash.digest('hex') };
  };
  const putting = (async () => {
    for await (const file of files) {
      const after = added(await put(file));
      if (after) await put(after);
    }
    tar.finalize();
  })();
  putting.catch((fault: unknown) => tar.destroy(fault as Error));
  try {
    for await (const bytes of tar as AsyncIterable<Buffer>)
      for (let at = 0; at < bytes.length; at += exportChunkBytes) yield bytes.subarray(at, at + exportChunkBytes);
    await putting;
  } finally {
    tar.destroy();
  }
}
