import { type Runnable, runAll } from '@caas/kit';
import { createGrpcServer, type ServiceAuth } from '@caas/kit/grpc';
import { createPersistence, type Persistence, type PersistenceParts } from './app.ts';

export interface ServedPersistenceParts extends PersistenceParts {
  /** `host:port` of the worker's gRPC (health, reflection); port 0: any free one. */
  grpcAddress: string;
  /** How those who call it prove who they are. */
  serviceAuth: ServiceAuth;
}

export interface ServedPersistence extends Persistence, Runnable {
  /** `host:port` of its gRPC with the port that was bound. */
  readonly grpcAddress: string;
  /** Lets go of its port with no word to anyone, as a crash of the process would. */
  crash(): void;
}

/** How often the gRPC health is brought in step with the worker, ms. */
const healthMs = 500;

/** A persistence worker with the gRPC every service has; listening when this resolves. */
export const servePersistence = async (parts: ServedPersistenceParts): Promise<ServedPersistence> => {
  const { grpcAddress: address, serviceAuth: auth, logger } = parts;
  const worker = createPersistence(parts);
  const grpc = await createGrpcServer({ name: 'persistence', address, services: [], auth, logger });
  return {
    ...worker,
    grpcAddress: grpc.address,
    run: async (signal) => {
      let told = true;
      const telling = setInterval(() => {
        const now = worker.ready();
        // While it stops its health is that it stops.
        if (now !== told && !signal.aborted) grpc.health.set('', now);
        told = now;
      }, healthMs);
      try {
        await runAll([worker, grpc], signal);
      } finally {
        clearInterval(telling);
      }
    },
    crash: () => void grpc.stop(0),
  };
};
