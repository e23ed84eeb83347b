import { readFileSync } from 'node:fs';
import * as settings from '@caas/kit/config';
import { ConfigError } from '@caas/kit/config';
import type { S3Options } from '@caas/object-store/s3';
import type { z } from 'zod';

/** Variables that name a bucket, for the service whose bytes are in it. */
export const s3Variables = {
  /** S3, or what speaks its API, without the bucket. */
  S3_URL: settings.url('http', 'https').optional(),
  S3_BUCKET: settings.text().default('caas-media'),
  S3_REGION: settings.text().default('us-east-1'),
  /** Both or none: then as the SDK finds them, from the machine's role among others. */
  S3_ACCESS_KEY_ID: settings.text().optional(),
  S3_SECRET_ACCESS_KEY: settings.text().optional(),
  /** The bucket in the path, and not before the host's name. */
  S3_PATH_STYLE: settings.flag().default(true),
  /** PEM of the authority of the server's certificate; default the machine's. */
  S3_CA_FILE: settings.text().optional(),
};

export type S3Settings = S3Options;

/** The bucket that the variables name; undefined: none. */
export const s3Of = (env: z.output<z.ZodObject<typeof s3Variables>>): S3Settings | undefined => {
  if (env.S3_URL === undefined) return undefined;
  const [accessKeyId, secretAccessKey] = [env.S3_ACCESS_KEY_ID, env.S3_SECRET_ACCESS_KEY];
  if ((accessKeyId === undefined) !== (secretAccessKey === undefined))
    throw new ConfigError('S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY go together: one of them is not set');
  return {
    url: env.S3_URL,
    bucket: env.S3_BUCKET,
    region: env.S3_REGION,
    credentials: accessKeyId && secretAccessKey ? { accessKeyId, secretAccessKey } : undefined,
    pathStyle: env.S3_PATH_STYLE,
    ca: env.S3_CA_FILE === undefined ? undefined : authorityIn(env.S3_CA_FILE),
  };
};

const authorityIn = (file: string): Buffer => {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new ConfigError(`S3_CA_FILE=${file} can't be read: ${(cause as Error).message}`);
  }
};
