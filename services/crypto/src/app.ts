import type { KeyStore } from '@caas/key-store';
import type { KeyVault } from '@caas/key-vault';
import { type Clock, type Logger, type Runnable, runAll, systemClock } from '@caas/kit';
import { createGrpcServer, type ServiceAuth, service } from '@caas/kit/grpc';
import { KeyServiceService } from '@caas/proto/caas/crypto/v1/key_service';
import { destroyUserKeys } from './commands/destroy-user-keys.ts';
import { getCurrentKeys } from './commands/get-current-keys.ts';
import { openKeys } from './commands/open-keys.ts';
import { rotateRootKey } from './commands/rotate-root-key.ts';
import { rotateTenantKey } from './commands/rotate-tenant-key.ts';
import { rotateUserKey } from './commands/rotate-user-key.ts';
import { watchDestroyed } from './commands/watch-destroyed.ts';
import type { CryptoConfig } from './config.ts';
import { CryptoCore } from './core.ts';
import { lookingForDestroyed } from './upkeep.ts';

export interface CryptoPorts {
  /** Owned, and closed, by the caller, as is the vault. */
  store: KeyStore;
  vault: KeyVault;
  /** How the services that call prove who they are. */
  serviceAuth: ServiceAuth;
  config: Pick<CryptoConfig, 'grpcAddress' | 'keyHoldMs' | 'holderGraceMs'>;
  logger: Logger;
  clock?: Clock;
}

export interface Crypto extends Runnable {
  /** `host:port` of gRPC with the port that was bound. */
  readonly address: string;
  /** Lets go of its port with no word to anyone, as a crash of the process would. */
  crash(): void;
}

/** Crypto, listening when this resolves; `run` serves until the signal. */
export const createCrypto = async (ports: CryptoPorts): Promise<Crypto> => {
  const { config, logger, serviceAuth, clock = systemClock } = ports;
  const core = new CryptoCore({ ...ports, clock });
  const server = await createGrpcServer({
    name: 'crypto',
    address: config.grpcAddress,
    services: [
      service(KeyServiceService, {
        getCurrentKeys: getCurrentKeys(core),
        openKeys: openKeys(core),
        rotateUserKey: rotateUserKey(core),
        rotateTenantKey: rotateTenantKey(core),
        rotateRootKey: rotateRootKey(core),
        destroyUserKeys: destroyUserKeys(core),
        watchDestroyed: watchDestroyed(core),
      }),
    ],
    auth: serviceAuth,
    logger,
  });
  // A crashed service ends wherever it waits, as a killed process does.
  const crashed = Promise.withResolvers<void>();
  const looking = lookingForDestroyed(core, logger);
  const untilCrashed: Runnable = {
    name: 'crypto destroyed keys',
    run: (signal) => Promise.race([looking(signal), crashed.promise]),
  };
  return {
    name: 'crypto',
    address: server.address,
    run: (signal) => runAll([server, untilCrashed], signal),
    crash: () => {
      crashed.resolve();
      void server.stop(0);
    },
  };
};
