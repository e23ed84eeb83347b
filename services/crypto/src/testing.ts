/** Crypto as tests start it: over real gRPC on a free port, its data in a folder of the test's own. */
import { join } from 'node:path';
import { openSqliteKeyStore } from '@caas/key-store';
import { openSealedFileKeyVault } from '@caas/key-vault';
import { createGrpcClient, sharedTokenAuth } from '@caas/kit/grpc';
import { createLogger } from '@caas/kit/log';
import { KeyServiceService } from '@caas/proto/caas/crypto/v1/key_service';
import { createCrypto } from './app.ts';
import { type CryptoConfig, cryptoConfig } from './config.ts';

export const testServiceAuth = sharedTokenAuth({ token: 'services-of-a-test', operatorToken: 'operator-of-a-test' });
const logger = createLogger({ service: 'crypto', level: 'silent' });

/** `folder`: where keys and vault are; two instances on one folder share them. */
export const startCrypto = async (folder: string, over: Partial<CryptoConfig> = {}) => {
  const file = join(folder, 'keys', 'vault.json');
  const [store, vault] = await Promise.all([
    openSqliteKeyStore({ file: join(folder, 'keys.db') }),
    openSealedFileKeyVault({ file }),
  ]);
  const config = { ...cryptoConfig({}), grpcAddress: '127.0.0.1:0', ...over };
  const crypto = await createCrypto({ store, vault, serviceAuth: testServiceAuth, config, logger });
  const stopping = new AbortController();
  const running = crypto.run(stopping.signal);
  const clients: { close(): void }[] = [];
  const clientOf = (callerName: string) => {
    const retry = { maxAttempts: 1, baseMs: 1, capMs: 1 };
    const { address } = crypto;
    const client = createGrpcClient(KeyServiceService, { address, auth: testServiceAuth, callerName, logger, retry });
    clients.push(client);
    return client;
  };
  let stopped: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    for (const client of clients) client.close();
    stopping.abort();
    await running;
    await Promise.all([store.close(), vault.close()]);
  };
  return {
    address: crypto.address,
    store,
    vault,
    clientOf,
    socket: clientOf('socket'),
    compliance: clientOf('compliance'),
    operator: clientOf('operator'),
    /** Stops serving, orderly; idempotent. */
    stop: (): Promise<void> => {
      stopped ??= stop();
      return stopped;
    },
  };
};

export type CryptoUnderTest = Awaited<ReturnType<typeof startCrypto>>;
