import { join } from 'node:path';
import { type MediaStore, openSqliteMediaStore } from '@caas/media-store';
import { type ObjectStore, openFolderObjectStore } from '@caas/object-store';

/** Where media is in the data folder: what is known of it in a database, its bytes, sealed, in a folder. */
export const openMediaEngines = async (dataDir: string): Promise<{ records: MediaStore; objects: ObjectStore }> => {
  const [records, objects] = await Promise.all([
    openSqliteMediaStore({ file: join(dataDir, 'media.db') }),
    openFolderObjectStore({ folder: join(dataDir, 'media') }),
  ]);
  return { records, objects };
};
