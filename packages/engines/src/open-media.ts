import { type MediaStore, openSqliteMediaStore } from '@caas/media-store';
import { type ObjectStore, openFolderObjectStore } from '@caas/object-store';
import { told } from './open.ts';
import type { EngineSettings } from './settings.ts';

export const openMediaRecords = async ({ mongo }: EngineSettings, file: string): Promise<MediaStore> => {
  if (mongo === undefined) return openSqliteMediaStore({ file });
  const { openMongoMediaStore } = await import('@caas/media-store/mongo');
  return told('MONGODB_URL', openMongoMediaStore(mongo));
};

/** Bytes in a bucket where one is named, whatever the other engines are: one instance may keep a folder of its own. */
export const openObjects = async ({ s3 }: EngineSettings, folder: string): Promise<ObjectStore> => {
  if (s3 === undefined) return openFolderObjectStore({ folder });
  const { openS3ObjectStore } = await import('@caas/object-store/s3');
  return told('S3_URL', openS3ObjectStore(s3));
};
