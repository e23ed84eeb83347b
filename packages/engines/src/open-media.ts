import { type MediaStore, openSqliteMediaStore } from '@caas/media-store';
import { told } from './open.ts';
import type { EngineSettings } from './settings.ts';

export const openMediaRecords = async ({ mongo }: EngineSettings, file: string): Promise<MediaStore> => {
  if (mongo === undefined) return openSqliteMediaStore({ file });
  const { openMongoMediaStore } = await import('@caas/media-store/mongo');
  return told('MONGODB_URL', openMongoMediaStore(mongo));
};
