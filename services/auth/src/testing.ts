/** Auth as tests start it: over real gRPC on a free port, its data in a folder of the test's own. */
import { join } from 'node:path';
import { openSqliteAccountStore } from '@caas/account-store';
import { openAuditWriter } from '@caas/compliance-client/audit';
import { openSqliteEventLog } from '@caas/event-log';
import { type Clock, newId } from '@caas/kit';
import { createGrpcClient, type ServiceDefinition, sharedTokenAuth } from '@caas/kit/grpc';
import { createLogger } from '@caas/kit/log';
import { rootKeyFromFile } from '@caas/kit/sealing';
import { PersonalDataServiceService } from '@caas/proto/caas/auth/v1/personal_data_service';
import { SessionServiceService } from '@caas/proto/caas/auth/v1/session_service';
import { TenantServiceService } from '@caas/proto/caas/auth/v1/tenant_service';
import { TokenServiceService } from '@caas/proto/caas/auth/v1/token_service';
import { createAuth } from './app.ts';
import { type AuthConfig, authConfig } from './config.ts';

export const testServiceAuth = sharedTokenAuth({ token: 'services-of-a-test', operatorToken: 'operator-of-a-test' });

/** A clock that stands still until it is moved. */
export class TestClock implements Clock {
  #nowMs: number;
  constructor(nowMs = Date.UTC(2026, 0, 1)) {
    this.#nowMs = nowMs;
  }
  now(): number {
    return this.#nowMs;
  }
  move(byMs: number): void {
    this.#nowMs += byMs;
  }
}

export interface AuthUnderTestOptions {
  /** Where accounts and the root key are; two instances on one folder share them. */
  folder: string;
  clock?: Clock;
  config?: Partial<AuthConfig>;
}

export const startAuth = async ({ folder, clock, config }: AuthUnderTestOptions) => {
  const logger = createLogger({ service: 'auth', level: 'silent' });
  const accounts = await openSqliteAccountStore({ file: join(folder, 'accounts.db') });
  // Of its own, because one process at a time has a log, and instances of a test share the folder.
  const log = await openSqliteEventLog({ file: join(folder, `log-${newId()}.db`) });
  const audit = await openAuditWriter({ log, service: 'auth', folder: join(folder, 'audit'), logger });
  const rootKey = await rootKeyFromFile(join(folder, 'keys', 'root.key'));
  const auth = await createAuth({
    accounts,
    audit,
    rootKey,
    serviceAuth: testServiceAuth,
    config: { ...authConfig({}), grpcAddress: '127.0.0.1:0', ...config },
    logger,
    ...(clock && { clock }),
  });
  const stopping = new AbortController();
  const running = auth.run(stopping.signal);
  const clients: { close(): void }[] = [];
  const clientOf = <S extends ServiceDefinition>(definition: S, callerName: string) => {
    const options = { address: auth.address, auth: testServiceAuth, callerName, logger };
    const client = createGrpcClient(definition, options);
    clients.push(client);
    return client;
  };
  let stopped: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    for (const client of clients) client.close();
    stopping.abort();
    await running;
    await Promise.all([accounts.close(), log.close()]);
  };
  return {
    address: auth.address,
    accounts,
    log,
    rootKey,
    bootstrapDevelopment: auth.bootstrapDevelopment,
    tokens: clientOf(TokenServiceService, 'gateway'),
    sessions: clientOf(SessionServiceService, 'gateway'),
    operatorTokens: clientOf(TokenServiceService, 'operator'),
    tenants: clientOf(TenantServiceService, 'operator'),
    personalData: clientOf(PersonalDataServiceService, 'compliance'),
    /** Stops serving, orderly; idempotent. */
    stop: (): Promise<void> => {
      stopped ??= stop();
      return stopped;
    },
  };
};

export type AuthUnderTest = Awaited<ReturnType<typeof startAuth>>;
