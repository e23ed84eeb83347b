import { type FileHandle, mkdir, open, readdir, rename, rm, rmdir, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CaasError, newId } from '@caas/kit';
import { assertKey, assertListed, assertPrefix } from './keys.ts';
import type { ByteRange, ListedObject, ObjectBody, ObjectStore } from './port.ts';

/** Attempts to make a file's folder while others remove it because it is empty. */
const maxFolderAttempts = 10;

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;
const isAbsent = (error: unknown): boolean => codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR';

const away = (cause: unknown): CaasError =>
  cause instanceof CaasError || codeOf(cause) === undefined
    ? (cause as CaasError)
    : new CaasError('UNAVAILABLE', 'the folder of objects can’t be used', {
        cause,
        details: { engine: String(codeOf(cause)) },
      });

/** What a call answers, undefined for what is not there, and the store's own faults told as such. */
const orAbsent = async <T>(call: () => Promise<T>): Promise<T | undefined> => {
  try {
    return await call();
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw away(error);
  }
};

const syncFolder = async (folder: string): Promise<void> => {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};

/** Writes all of a source; false when it has another size. Stops reading as soon as that is sure. */
const writeAll = async (handle: FileHandle, source: AsyncIterable<Uint8Array>, sizeBytes: number): Promise<boolean> => {
  let written = 0;
  for await (const bytes of source) {
    written += bytes.length;
    if (written > sizeBytes) return false;
    for (let at = 0; at < bytes.length; ) at += (await handle.write(bytes, at)).bytesWritten;
  }
  if (written !== sizeBytes) return false;
  await handle.sync();
  return true;
};

class FolderObjectStore implements ObjectStore {
  readonly #root: string;
  /** Where objects are written before they have their place; no key leads into it. */
  readonly #drafts: string;

  constructor(root: string) {
    this.#root = join(root, 'objects');
    this.#drafts = join(root, 'drafts');
  }

  async prepare(): Promise<void> {
    // What was being written when the process ended belongs to nobody.
    await rm(this.#drafts, { recursive: true, force: true });
    for (const folder of [this.#root, this.#drafts]) await mkdir(folder, { recursive: true, mode: 0o700 });
  }

  async put(key: string, source: AsyncIterable<Uint8Array>, sizeBytes: number): Promise<'put' | 'size'> {
    assertKey(key);
    const draft = join(this.#drafts, newId());
    try {
      const handle = await open(draft, 'wx', 0o600);
      try {
        if (!(await writeAll(handle, source, sizeBytes))) return 'size';
      } finally {
        await handle.close();
      }
      await this.#place(draft, join(this.#root, key));
      return 'put';
    } catch (error) {
      throw away(error);
    } finally {
      await unlink(draft).catch(() => undefined);
    }
  }

  async get(key: string, range?: ByteRange): Promise<ObjectBody | undefined> {
    assertKey(key);
    const handle = await orAbsent(() => open(join(this.#root, key), 'r'));
    if (!handle) return undefined;
    const { size } = await handle.stat();
    const { from, to } = range ?? { from: 0, to: size };
    return { sizeBytes: size, body: handle.createReadStream({ start: from, end: to - 1 }) };
  }

  async head(key: string): Promise<number | undefined> {
    assertKey(key);
    const found = await orAbsent(() => stat(join(this.#root, key)));
    return found?.isFile() ? found.size : undefined;
  }

  async delete(key: string): Promise<void> {
    assertKey(key);
    const file = join(this.#root, key);
    await orAbsent(() => unlink(file));
    await this.#dropEmpty(dirname(file));
  }

  async deletePrefix(prefix: string): Promise<number> {
    assertPrefix(prefix);
    const folder = join(this.#root, prefix);
    let count = 0;
    for await (const _ of this.#walk(prefix, '')) count += 1;
    await orAbsent(() => rm(folder, { recursive: true, force: true }));
    await this.#dropEmpty(dirname(folder));
    return count;
  }

  async list(prefix: string, afterKey: string, limit: number): Promise<ListedObject[]> {
    assertPrefix(prefix);
    assertListed(limit);
    const found: ListedObject[] = [];
    if (limit > 0)
      for await (const key of this.#walk(prefix, afterKey)) {
        const size = await this.head(key);
        if (size !== undefined) found.push({ key, sizeBytes: size });
        if (found.length === limit) break;
      }
    return found;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #place(draft: string, file: string): Promise<void> {
    const folder = dirname(file);
    for (let attempt = 1; ; attempt += 1) {
      const made = await mkdir(folder, { recursive: true, mode: 0o700 });
      try {
        await rename(draft, file);
        await syncFolder(folder);
        // A new folder's own name is durable with the folder it is in.
        if (made) for (let at = folder; at.length >= made.length; at = dirname(at)) await syncFolder(dirname(at));
        return;
      } catch (error) {
        if (!isAbsent(error) || attempt === maxFolderAttempts) throw error;
      }
    }
  }

  /** Keys below a prefix, in order. */
  async *#walk(prefix: string, afterKey: string): AsyncGenerator<string> {
    const entries = await orAbsent(() => readdir(join(this.#root, prefix), { withFileTypes: true }));
    const paths = (entries ?? []).map((entry) => `${prefix}${entry.name}${entry.isDirectory() ? '/' : ''}`);
    for (const path of paths.toSorted()) {
      if (!path.endsWith('/')) {
        if (path > afterKey) yield path;
      } else if (path > afterKey || afterKey.startsWith(path)) yield* this.#walk(path, afterKey);
    }
  }

  /** Removes folders that have become empty, up to the root; one that is not empty ends it. */
  async #dropEmpty(folder: string): Promise<void> {
    for (let at = folder; at.length > this.#root.length; at = dirname(at)) {
      try {
        await rmdir(at);
      } catch (error) {
        if (!isAbsent(error)) return;
      }
    }
  }
}

/** Objects in a folder, one file each; made where it is not there. One process at a time. Rejects UNAVAILABLE when it can't be used. */
export const openFolderObjectStore = async ({ folder }: { folder: string }): Promise<ObjectStore> => {
  const store = new FolderObjectStore(folder);
  await store.prepare().catch((error: unknown) => {
    throw away(error);
  });
  return store;
};
