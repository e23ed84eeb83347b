import { randomBytes } from 'node:crypto';
import {
  type DataKeyRecord,
  dataKeyId,
  dataKeyOf,
  maxKeysPerUser,
  type UserKeyStore,
  type UserKeys,
  type UserKeysChange,
  type UserKeysName,
  userKeysName,
} from '@caas/key-store';
import { CaasError, type Clock, fail, type Logger } from '@caas/kit';
import { type DataKey, KeyState } from '@caas/proto/caas/crypto/v1/key_service';
import { maxAttempts } from './limits.ts';
import type { TenantKey, TenantKeys } from './tenant-keys.ts';

const keyBytes = 32;

/** What a data key is wrapped for: it opens as this and nothing else. */
const nameOf = (keyId: string): string => `data key/${keyId}`;

const currentOf = (keys: UserKeys | undefined): DataKeyRecord | undefined =>
  keys?.destroyedAtMs === 0 ? keys.keys.findLast(({ destroyedAtMs }) => destroyedAtMs === 0) : undefined;

const unknown = (keyId: string): DataKey => ({
  keyId,
  userId: '',
  state: KeyState.KEY_STATE_UNKNOWN,
  key: Buffer.alloc(0),
  destroyedAtMs: 0,
});

/** A user who never gets a key again. */
const destroyedUser = ({ userId, destroyedAtMs }: UserKeys): DataKey => ({
  keyId: '',
  userId,
  state: KeyState.KEY_STATE_DESTROYED,
  key: Buffer.alloc(0),
  destroyedAtMs,
});

/** Data keys of users: made, wrapped, unwrapped. What was destroyed is told as such. */
export class DataKeys {
  readonly #store: UserKeyStore;
  readonly #tenants: TenantKeys;
  readonly #clock: Clock;
  readonly #logger: Logger;

  constructor(store: UserKeyStore, tenants: TenantKeys, clock: Clock, logger: Logger) {
    this.#store = store;
    this.#tenants = tenants;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** One a user, in the order of the ids; made where there is none. */
  async current(tenantId: string, userIds: readonly string[]): Promise<DataKey[]> {
    const distinct = [...new Set(userIds)];
    const found = await this.#store.getMany(distinct.map((userId) => userKeysName(tenantId, userId)));
    const known = new Map(distinct.map((userId, i) => [userId, found[i]]));
    await this.#makeMissing(tenantId, known);
    const opened = new Map<string, DataKey>();
    for (const [userId, keys] of known) {
      const current = currentOf(keys);
      const user = keys as UserKeys;
      opened.set(userId, current ? await this.#unwrapped(user, current) : destroyedUser(user));
    }
    return userIds.map((userId) => opened.get(userId) as DataKey);
  }

  /** One an id, in its order. */
  async open(tenantId: string, keyIds: readonly string[]): Promise<DataKey[]> {
    const refs = [...new Set(keyIds.flatMap((keyId) => dataKeyOf(keyId)?.ref ?? []))];
    const found = await this.#store.getMany(refs.map((ref) => ({ tenantId, ref })));
    const known = new Map(refs.map((ref, i) => [ref, found[i]]));
    return Promise.all(
      keyIds.map(async (keyId) => {
        const named = dataKeyOf(keyId);
        const user = named && known.get(named.ref);
        const record = user?.keys.find(({ generation }) => generation === named?.generation);
        return user && record ? this.#unwrapped(user, record) : unknown(keyId);
      }),
    );
  }

  /** Makes a new current key of a user; answers its id. FAILED_PRECONDITION when the user's keys were destroyed. */
  async rotate(tenantId: string, userId: string): Promise<string> {
    const name = userKeysName(tenantId, userId);
    for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
      const [user] = await this.#store.getMany([name]);
      if (user && user.destroyedAtMs > 0) fail('FAILED_PRECONDITION', 'the keys of this user were destroyed');
      if (user && user.keys.length >= maxKeysPerUser)
        fail('LIMIT_EXCEEDED', 'the user has the greatest number of keys', {
          details: { limit: 'maxKeysPerUser', value: String(maxKeysPerUser), unit: 'keys' },
        });
      const change = this.#withNewKey(await this.#tenants.current(tenantId), {
        ...name,
        userId,
        keys: [],
        rev: 0,
        ...user,
      });
      const [made] = await this.#store.put([change]);
      if (made) return dataKeyId(name.ref, change.keys.keys.at(-1)?.generation as number);
    }
    throw busy();
  }

  /** Wraps what an older version of the tenant's key wraps by the current one; answers how many keys that were. */
  async rewrap(users: readonly UserKeys[], by: TenantKey): Promise<number> {
    const isOld = (key: DataKeyRecord): boolean => key.destroyedAtMs === 0 && key.tenantKeyVersion < by.version;
    const changes: UserKeysChange[] = [];
    for (const { tenantId, ref, userId, keys, rev } of users) {
      if (!keys.some(isOld)) continue;
      const anew: DataKeyRecord[] = [];
      for (const key of keys) anew.push(isOld(key) ? await this.#wrappedAnew({ tenantId, ref }, key, by) : key);
      changes.push({ keys: { tenantId, ref, userId, keys: anew }, expectRev: rev });
    }
    const done = await this.#store.put(changes);
    let rewrapped = 0;
    for (const [i, { keys }] of changes.entries())
      if (done[i]) rewrapped += keys.keys.filter(({ tenantKeyVersion }) => tenantKeyVersion === by.version).length;
    const missed = changes.filter((_, i) => !done[i]).map(({ keys }) => keys);
    if (missed.length === 0) return rewrapped;
    // Changed by others meanwhile: they are read again.
    const changed = (await this.#store.getMany(missed)).filter((user) => user !== undefined);
    return rewrapped + (await this.rewrap(changed, by));
  }

  async #wrappedAnew({ tenantId, ref }: UserKeysName, record: DataKeyRecord, by: TenantKey): Promise<DataKeyRecord> {
    const name = nameOf(dataKeyId(ref, record.generation));
    const from = await this.#tenants.version(tenantId, record.tenantKeyVersion);
    const plain = this.#opened(from.key, dataKeyId(ref, record.generation), record);
    if (!plain) return record;
    const wrapped = by.key.seal(name, plain);
    plain.fill(0);
    return { ...record, tenantKeyVersion: by.version, wrapped };
  }

  /** Makes the keys that are missing, all in one call; of rivals one makes it and the others take that one. */
  async #makeMissing(tenantId: string, known: Map<string, UserKeys | undefined>): Promise<void> {
    for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
      const missing = [...known]
        .filter(([, keys]) => !currentOf(keys) && !keys?.destroyedAtMs)
        .map(([userId]) => userId);
      if (missing.length === 0) return;
      const by = await this.#tenants.current(tenantId);
      const names = missing.map((userId) => userKeysName(tenantId, userId));
      await this.#store.put(
        missing.map((userId, i) =>
          this.#withNewKey(by, {
            ...(names[i] as (typeof names)[number]),
            userId,
            keys: [],
            rev: 0,
            ...known.get(userId),
          }),
        ),
      );
      const made = await this.#store.getMany(names);
      for (const [i, userId] of missing.entries()) known.set(userId, made[i]);
    }
    throw busy();
  }

  #withNewKey({ version, key }: TenantKey, user: Omit<UserKeys, 'destroyedAtMs'>): UserKeysChange {
    const { tenantId, ref, userId, keys, rev } = user;
    const generation = (keys.at(-1)?.generation ?? 0) + 1;
    const plain = randomBytes(keyBytes);
    const wrapped = key.seal(nameOf(dataKeyId(ref, generation)), plain);
    plain.fill(0);
    const added = { generation, tenantKeyVersion: version, wrapped, createdAtMs: this.#clock.now(), destroyedAtMs: 0 };
    return { keys: { tenantId, ref, userId, keys: [...keys, added] }, expectRev: rev };
  }

  async #unwrapped(user: UserKeys, record: DataKeyRecord): Promise<DataKey> {
    const keyId = dataKeyId(user.ref, record.generation);
    const { userId } = user;
    if (record.destroyedAtMs > 0) {
      const state = KeyState.KEY_STATE_DESTROYED;
      return { keyId, userId, state, key: Buffer.alloc(0), destroyedAtMs: record.destroyedAtMs };
    }
    const { key } = await this.#tenants.version(user.tenantId, record.tenantKeyVersion);
    const plain = this.#opened(key, keyId, record);
    // Those asked for together with it are answered all the same.
    if (!plain) return { ...unknown(keyId), userId };
    const state = record === currentOf(user) ? KeyState.KEY_STATE_CURRENT : KeyState.KEY_STATE_RETIRED;
    return { keyId, userId, state, key: plain as Buffer, destroyedAtMs: 0 };
  }

  /** Undefined where the record is damaged: its tenant's key, which opens others, does not open it. */
  #opened({ open }: TenantKey['key'], keyId: string, { wrapped }: DataKeyRecord): Uint8Array | undefined {
    try {
      return open(nameOf(keyId), wrapped);
    } catch (err) {
      this.#logger.error({ err, keyId }, 'a data key is damaged: restore it from a backup of the key store');
      return undefined;
    }
  }
}

const busy = (): CaasError => new CaasError('UNAVAILABLE', 'the user’s keys are being changed by others');
