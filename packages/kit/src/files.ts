import { link, open, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { newId } from './ids.ts';

/** Writes the content beside the file, for its owner alone and durably, and answers where. */
const draftOf = async (file: string, content: string): Promise<string> => {
  const draft = `${file}.${newId()}`;
  const handle = await open(draft, 'wx', 0o600);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  return draft;
};

/** Makes the names in a file's folder durable. */
const syncFolder = async (file: string): Promise<void> => {
  const folder = await open(dirname(file), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
};

/**
 * Creates a file of mode 0600 that is never seen half-written, by a crash neither; when two try, the first one's stays, and
 * one that is there already stays as it is. Its folder must exist.
 */
export const createWhole = async (file: string, content: string): Promise<void> => {
  const draft = await draftOf(file, content);
  try {
    await link(draft, file);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw thrown;
  } finally {
    await unlink(draft);
  }
  await syncFolder(file);
};

/** Puts a whole file of mode 0600 in the place of what was there, whose mode does not matter. Its folder must exist. */
export const replaceWhole = async (file: string, content: string): Promise<void> => {
  const draft = await draftOf(file, content);
  try {
    await rename(draft, file);
  } catch (thrown) {
    await unlink(draft);
    throw thrown;
  }
  await syncFolder(file);
};
