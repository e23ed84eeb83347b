/** Media as tests start it: over real gRPC and HTTP on free ports, its data in a folder of the test's own. */
import { join } from 'node:path';
import { keySource } from '@caas/compliance-client/keys';
import { startCrypto, testServiceAuth } from '@caas/crypto/testing';
import { createGrpcClient } from '@caas/kit/grpc';
import { createLogger } from '@caas/kit/log';
import { openSqliteMediaStore } from '@caas/media-store';
import { openFolderObjectStore } from '@caas/object-store';
import type { Claims } from '@caas/proto/caas/common/v1/claims';
import { MediaServiceService } from '@caas/proto/caas/media/v1/media_service';
import { createMedia, type MediaPorts } from './app.ts';
import { mediaConfig } from './config.ts';

const logger = createLogger({ service: 'media', level: 'silent' });

export const claimsOf = (userId: string, tenantId = 't1'): Claims => ({
  tenantId,
  appId: 'app',
  userId,
  sessionId: 's',
  scopes: ['chat'],
  expiresAtMs: 0,
});

/** `folder`: where everything is; another start on it goes on where this one ended. */
export const startMedia = async (folder: string, over: Partial<MediaPorts['config']> = {}) => {
  const crypto = await startCrypto(folder);
  const keys = keySource({ address: crypto.address, auth: testServiceAuth, callerName: 'media', logger });
  const store = await openSqliteMediaStore({ file: join(folder, 'media.db') });
  const objects = await openFolderObjectStore({ folder: join(folder, 'media') });
  const ports = { port: 0, grpcAddress: '127.0.0.1:0', drainMs: 1_000, workDir: join(folder, 'work') };
  const config = { ...mediaConfig({}), hashKey: 'hash-key-of-a-test', ...ports, ...over };
  const media = await createMedia({ store, objects, keys, serviceAuth: testServiceAuth, config, logger });
  const stopping = new AbortController();
  const running = media.run(stopping.signal);
  running.catch(() => undefined);
  const clientOf = (callerName: string) =>
    createGrpcClient(MediaServiceService, { address: media.address, auth: testServiceAuth, callerName, logger });
  const [socket, compliance] = [clientOf('socket'), clientOf('compliance')];
  return {
    media,
    crypto,
    store,
    objects,
    socket,
    compliance,
    async stop() {
      for (const client of [socket, compliance]) client.close();
      stopping.abort();
      await running;
      keys.close();
      await Promise.all([store.close(), objects.close(), crypto.stop()]);
    },
    /** Ends it as a crash would: what is under way is left as it stands. */
    async crash() {
      for (const client of [socket, compliance]) client.close();
      media.crash();
      await running;
      keys.close();
      await Promise.all([store.close(), objects.close(), crypto.stop()]);
    },
  };
};

export type MediaUnderTest = Awaited<ReturnType<typeof startMedia>>;

/** Puts all parts of an upload; the statuses they were answered with. */
export const putParts = async (
  parts: readonly { url: string; sizeBytes: number; headers: Readonly<Record<string, string>> }[],
  bytes: Uint8Array,
): Promise<number[]> => {
  const statuses: number[] = [];
  let at = 0;
  for (const { url, sizeBytes, headers } of parts) {
    const body = Uint8Array.from(bytes.subarray(at, at + sizeBytes));
    if (url !== '') {
      const response = await fetch(url, { method: 'PUT', headers, body });
      await response.arrayBuffer();
      statuses.push(response.status);
    }
    at += sizeBytes;
  }
  return statuses;
};
