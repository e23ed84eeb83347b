import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import { CaasError } from '@caas/kit';
import { connectMs, maxAttempts, maxSockets } from './limits.ts';

export interface S3Options {
  /** Of the API, without the bucket. */
  url: string;
  bucket: string;
  region: string;
  /** Undefined: as the SDK finds them, from the machine's role among others. */
  credentials?: { accessKeyId: string; secretAccessKey: string } | undefined;
  /** The bucket in the path, as most but AWS itself want it. */
  pathStyle: boolean;
  /** PEM of the authority of the server's certificate; default the machine's. */
  ca?: Buffer | undefined;
}

export const s3Client = ({ url, region, credentials, pathStyle, ca }: S3Options): S3Client => {
  const agent = { keepAlive: true, maxSockets };
  return new S3Client({
    endpoint: url,
    region,
    forcePathStyle: pathStyle,
    ...(credentials && { credentials }),
    maxAttempts,
    // A body that flows is sent as it is: the SDK's chunks with a checksum don't end when their source fails. What lies here is
    // sealed, and every chunk of that proves itself when it is opened.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // What goes wrong is thrown; it has no log of its own.
    logger: { trace() {}, debug() {}, info() {}, warn() {}, error() {} },
    requestHandler: {
      connectionTimeout: connectMs,
      httpAgent: new HttpAgent(agent),
      httpsAgent: new HttpsAgent({ ...agent, ...(ca && { ca }) }),
    },
  });
};

export const isAbsent = (error: unknown): boolean =>
  error instanceof S3ServiceException && (error.name === 'NoSuchKey' || error.name === 'NotFound');

/** Whatever the store can't do is told as that; its words, which may hold keys, stay in the cause. */
export const away = (cause: unknown): never => {
  if (cause instanceof CaasError) throw cause;
  const engine = cause instanceof Error ? cause.name : 'unknown';
  throw new CaasError('UNAVAILABLE', 'the store of objects can’t be used', { cause, details: { engine } });
};
