import { CreateBucketCommand, PutBucketVersioningCommand } from '@aws-sdk/client-s3';
import { afterAll, expect, test } from '@jest/globals';
import { objectStoreContract } from './contract.ts';
import { objectKey } from './keys.ts';
import { s3Client } from './s3/client.ts';
import { openS3ObjectStore } from './s3-object-store.ts';

const env = (name: string): string => {
  const value = process.env[name] ?? '';
  if (value === '') throw new Error(`${name} is not set: npm run test:engines sets it`);
  return value;
};
const options = {
  url: env('S3_URL'),
  bucket: `test-objects-${process.pid}`,
  region: 'us-east-1',
  credentials: { accessKeyId: env('S3_ACCESS_KEY_ID'), secretAccessKey: env('S3_SECRET_ACCESS_KEY') },
  pathStyle: true,
};
const client = s3Client(options);
await client.send(new CreateBucketCommand({ Bucket: options.bucket }));

afterAll(() => client.destroy());

objectStoreContract('S3', async () => {
  const store = await openS3ObjectStore(options);
  return {
    store,
    reopen: async () => {
      await store.close();
      return openS3ObjectStore(options);
    },
  };
});

test('a bucket that keeps versions, one that is not there, and a store that is away are told at the start', async () => {
  const bucket = `${options.bucket}-versions`;
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  await client.send(new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration: { Status: 'Enabled' } }));
  await expect(openS3ObjectStore({ ...options, bucket })).rejects.toMatchObject({ reason: 'FAILED_PRECONDITION' });
  for (const wrong of [{ bucket: 'not-there' }, { url: 'http://127.0.0.1:1' }])
    await expect(openS3ObjectStore({ ...options, ...wrong })).rejects.toMatchObject({ reason: 'UNAVAILABLE' });
});

test('an object larger than a buffer flows, and a slow source is waited for', async () => {
  const store = await openS3ObjectStore(options);
  const [key, piece, count] = [objectKey('large', 'a'), Buffer.alloc(1_000_000, 7), 40];
  async function* source(): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < count; i += 1) yield piece;
  }
  expect(await store.put(key, source(), piece.length * count)).toBe('put');
  const found = await store.get(key);
  let bytes = 0;
  for await (const some of (found as NonNullable<typeof found>).body) bytes += some.length;
  expect(bytes).toBe(piece.length * count);
  await store.close();
});
