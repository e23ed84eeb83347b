import { CaasError } from '@caas/kit';
import type { SigningKeyStore } from '@caas/kit/signing-keys';
import { openSqliteHost, type SqliteHost } from '@caas/sqlite';
import { atMost, checkMetadata, newUser, nobody, userIdOf } from './limits.ts';
import {
  type AccountStore,
  type AppStore,
  maxAppSecrets,
  maxSessionsPerCall,
  maxUsersPerCall,
  type SessionStore,
  type TenantStore,
  type UserStore,
} from './port.ts';
import type { Op, open, Verbs } from './sqlite-account-worker.ts';

/** Verbs that may wait for the database at a time. */
export const maxWaitingVerbs = 8192;
/** Verbs that share one commit. */
export const maxVerbsPerCommit = 512;

interface Waiting {
  op: Op;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** Group commit: while one batch of verbs is in the thread, the next one gathers. */
class VerbQueue {
  readonly #host: SqliteHost<ReturnType<typeof open>>;
  #waiting: Waiting[] = [];
  #pumping: Promise<void> | undefined;
  #closed = false;

  constructor(host: SqliteHost<ReturnType<typeof open>>) {
    this.#host = host;
  }

  do<V extends keyof Verbs>(verb: V, args: Parameters<Verbs[V]>[0], write: boolean): Promise<ReturnType<Verbs[V]>> {
    if (this.#closed) return Promise.reject(new CaasError('DRAINING', 'the account store is closing'));
    if (this.#waiting.length >= maxWaitingVerbs) {
      const details = { limit: 'maxWaitingVerbs', value: String(maxWaitingVerbs) };
      return Promise.reject(new CaasError('OVERLOADED', 'too many calls wait for the account store', { details }));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ op: { verb, args, write } as Op, resolve: resolve as Waiting['resolve'], reject });
      this.#pumping ??= this.#pump();
    });
  }

  writeAnew(): Promise<void> {
    return this.#host.call('writeAnew', null);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#pumping;
    await this.#host.close();
  }

  async #pump(): Promise<void> {
    // One turn, so that what the turn brings goes together.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, maxVerbsPerCommit);
      const fault = await this.#run(batch);
      if (!fault) continue;
      // A verb that can't be carried out must not take its neighbours along: the batch was rolled back, so each goes alone.
      const alone = fault instanceof CaasError && fault.reason === 'INTERNAL' && batch.length > 1;
      for (const w of batch) {
        const own = alone ? await this.#run([w]) : fault;
        if (own) w.reject(own);
      }
    }
    this.#pumping = undefined;
  }

  /** Runs a batch in one commit and resolves its verbs; the fault when nothing of it was done. */
  async #run(batch: readonly Waiting[]): Promise<unknown> {
    try {
      const ops = batch.map((w) => w.op);
      const results = await this.#host.call('run', ops);
      for (const [i, w] of batch.entries()) w.resolve(results[i]);
      return undefined;
    } catch (thrown) {
      return thrown;
    }
  }
}

const tenantStore = (queue: VerbQueue): TenantStore => ({
  create: (tenant) => queue.do('createTenant', tenant, true),
  get: (tenantId) => queue.do('getTenant', tenantId, false),
});

const appStore = (queue: VerbQueue): AppStore => ({
  create: async (app) => {
    atMost('maxAppSecrets', app.secrets.length, maxAppSecrets);
    return queue.do('createApp', app, true);
  },
  get: (appId) => queue.do('getApp', appId, false),
  replaceSecrets: async (appId, expectVersion, secrets) => {
    atMost('maxAppSecrets', secrets.length, maxAppSecrets);
    return queue.do('replaceSecrets', { appId, expectVersion, secrets }, true);
  },
});

const userStore = (queue: VerbQueue): UserStore => {
  const getMany: UserStore['getMany'] = async (tenantId, userIds) => {
    atMost('maxUsersPerCall', userIds.length, maxUsersPerCall);
    return queue.do('getUsers', { tenantId, userIds }, false);
  };
  return {
    upsert: (seen) => queue.do('upsertUser', { fresh: newUser(seen), displayName: seen.displayName }, true),
    get: async (tenantId, userId) => (await getMany(tenantId, [userId]))[0],
    getMany,
    getByExternalIds: (tenantId, externalIds) =>
      getMany(
        tenantId,
        externalIds.map((externalId) => userIdOf(tenantId, externalId)),
      ),
    updateProfile: async (tenantId, userId, change, nowMs) => {
      checkMetadata(change.metadata);
      return queue.do('updateProfile', { tenantId, userId, change, nowMs }, true);
    },
    erase: async (tenantId, userId, nowMs) => {
      const found = await queue.do('blankUser', { tenantId, userId, blank: nobody, nowMs }, true);
      await queue.writeAnew();
      return found;
    },
  };
};

const sessionStore = (queue: VerbQueue): SessionStore => ({
  create: (session) => queue.do('createSession', session, true),
  getMany: async (keys) => {
    atMost('maxSessionsPerCall', keys.length, maxSessionsPerCall);
    return queue.do('getSessions', keys, false);
  },
  listLive: async (query) => {
    atMost('maxSessionsPerCall', query.limit, maxSessionsPerCall);
    return queue.do('listLive', query, false);
  },
  advance: (key, expectGeneration, to) => queue.do('advanceSession', { key, expectGeneration, ...to }, true),
  end: async (keys, endedAtMs, reason) => {
    atMost('maxSessionsPerCall', keys.length, maxSessionsPerCall);
    return queue.do('endSessions', { keys, endedAtMs, reason }, true);
  },
  endedAfter: (cursor, limit) => queue.do('endedAfter', { cursor, limit }, false),
  ofUser: async (user, afterSessionId, limit) => {
    atMost('maxSessionsPerCall', limit, maxSessionsPerCall);
    return queue.do('sessionsOf', { ...user, afterSessionId, limit }, false);
  },
  remove: async (keys) => {
    atMost('maxSessionsPerCall', keys.length, maxSessionsPerCall);
    return queue.do('removeSessions', keys, true);
  },
  purge: (beforeMs, limit) => queue.do('purgeSessions', { beforeMs, limit }, true),
});

const signingKeyStore = (queue: VerbQueue): SigningKeyStore => ({
  add: (key) => queue.do('addKey', { ...key, sealedPrivateKey: Uint8Array.from(key.sealedPrivateKey) }, true),
  list: () => queue.do('listKeys', null, false),
  remove: (keyId) => queue.do('removeKey', keyId, true),
});

/** Opens the accounts in a SQLite file of their own. Rejects UNAVAILABLE or INTERNAL when it cannot be opened. */
export const openSqliteAccountStore = async (options: { file: string }): Promise<AccountStore> => {
  const module = new URL('./sqlite-account-worker.ts', import.meta.url);
  const queue = new VerbQueue(await openSqliteHost<ReturnType<typeof open>>({ file: options.file, module }));
  let closing: Promise<void> | undefined;
  return {
    tenants: tenantStore(queue),
    apps: appStore(queue),
    users: userStore(queue),
    sessions: sessionStore(queue),
    signingKeys: signingKeyStore(queue),
    close: () => {
      closing ??= queue.close();
      return closing;
    },
  };
};
