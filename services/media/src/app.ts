import { KeyRing, type KeySource } from '@caas/compliance-client/keys';
import { type Clock, type Logger, type Runnable, runAll, systemClock } from '@caas/kit';
import { createGrpcServer, type ServiceAuth, service } from '@caas/kit/grpc';
import { listenHttp } from '@caas/kit/listen';
import type { MediaStore } from '@caas/media-store';
import type { ObjectStore } from '@caas/object-store';
import { MediaServiceService } from '@caas/proto/caas/media/v1/media_service';
import { abortUpload } from './commands/abort-upload.ts';
import { completeUpload } from './commands/complete-upload.ts';
import { createUpload } from './commands/create-upload.ts';
import { deleteUserMedia } from './commands/delete-user-media.ts';
import { getMedia } from './commands/get-media.ts';
import { getUpload } from './commands/get-upload.ts';
import { listUserMedia } from './commands/list-user-media.ts';
import { readMedia } from './commands/read-media.ts';
import { resolveAttachments } from './commands/resolve-attachments.ts';
import type { MediaConfig } from './config.ts';
import { MediaCore } from './core.ts';
import { mediaEdge } from './http/edge.ts';
import { SignedUrls } from './http/signed-urls.ts';
import { ExaminerPool } from './jobs/examiner-pool.ts';
import { Processing } from './jobs/processing.ts';
import { attendingToDue } from './jobs/upkeep.ts';
import * as limits from './limits.ts';
import { clamdScanner } from './scan/clamd-scanner.ts';

export interface MediaPorts {
  /** Owned, and closed, by the caller, as are the objects and the source of keys. */
  store: MediaStore;
  objects: ObjectStore;
  /** Where data keys come from. */
  keys: KeySource;
  /** How the services that call prove who they are. */
  serviceAuth: ServiceAuth;
  config: Pick<
    MediaConfig,
    | 'host'
    | 'port'
    | 'trustProxy'
    | 'publicUrl'
    | 'grpcAddress'
    | 'workDir'
    | 'maxUploadBytes'
    | 'maxTenantBytes'
    | 'allowedOrigins'
    | 'clamdAddress'
    | 'workers'
    | 'drainMs'
  > & { hashKey: string };
  logger: Logger;
  clock?: Clock;
}

export interface MediaService extends Runnable {
  /** `host:port` of gRPC with the port that was bound. */
  readonly address: string;
  /** `http://host:port` the bytes come in and go out on. */
  readonly url: string;
  readonly port: number;
  /** Lets go of its ports with no word to anyone, as a crash of the process would. */
  crash(): void;
}

const processingOf = ({ config, logger }: MediaPorts, core: MediaCore): Processing =>
  new Processing(core, {
    maxJobs: config.workers,
    workDir: config.workDir,
    scanner: config.clamdAddress === undefined ? undefined : clamdScanner(config.clamdAddress),
    pool: new ExaminerPool({
      maxExamineMs: limits.maxExamineMs,
      idleMs: limits.examinerIdleMs,
      bounds: { maxPixels: limits.maxPixels, maxResidentBytes: limits.maxExaminerBytes },
      logger,
    }),
  });

const grpcOf = ({ config, serviceAuth, logger }: MediaPorts, core: MediaCore) =>
  createGrpcServer({
    name: 'media',
    address: config.grpcAddress,
    services: [
      service(MediaServiceService, {
        createUpload: createUpload(core),
        getUpload: getUpload(core),
        completeUpload: completeUpload(core),
        abortUpload: abortUpload(core),
        getMedia: getMedia(core),
        resolveAttachments: resolveAttachments(core),
        listUserMedia: listUserMedia(core),
        readMedia: readMedia(core),
        deleteUserMedia: deleteUserMedia(core),
      }),
    ],
    auth: serviceAuth,
    logger,
  });

/** Media, listening when this resolves; `run` serves until the signal. */
export const createMedia = async (ports: MediaPorts): Promise<MediaService> => {
  const { config, logger, keys, clock = systemClock } = ports;
  const ring = new KeyRing({ source: keys, holder: 'media', logger });
  // The addresses need the port, and the port what is served on it.
  let urls = new SignedUrls(config.hashKey, config.publicUrl ?? '');
  const core: MediaCore = new MediaCore({ ...ports, keys: ring, clock, urls: () => urls }, () => processing);
  const processing = processingOf(ports, core);
  await processing.prepare();
  const http = await listenHttp(mediaEdge(core), {
    name: 'media',
    host: config.host,
    port: config.port,
    drainMs: config.drainMs,
    limits: {
      maxHeaderSize: limits.maxHeaderBytes,
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      keepAliveTimeout: limits.keepAliveTimeoutMs,
    },
    maxConnections: limits.maxConnections,
    // Behind a proxy all connections are of its address, and it is the one to bound its clients.
    maxPerAddress: config.trustProxy > 0 ? 0 : limits.maxConnectionsPerAddress,
    silenceMs: limits.socketTimeoutMs,
    logger,
  });
  urls = new SignedUrls(config.hashKey, config.publicUrl ?? http.url);
  const grpc = await grpcOf(ports, core);
  const crashed = new AbortController();
  const attending = attendingToDue(core);
  return {
    name: 'media',
    address: grpc.address,
    url: http.url,
    port: http.port,
    async run(signal) {
      const ending = AbortSignal.any([signal, crashed.signal]);
      // Keys are there until the last job has ended.
      const last = new AbortController();
      const following = ring.run(last.signal);
      try {
        await runAll([http, grpc, { name: 'media upkeep', run: attending }], ending, {
          drainMs: config.drainMs + 5_000,
        });
      } finally {
        await processing.close();
        last.abort();
        await following;
      }
    },
    crash: () => {
      http.crash();
      void grpc.stop(0);
      crashed.abort();
    },
  };
};
