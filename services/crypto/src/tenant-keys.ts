import { randomBytes } from 'node:crypto';
import type { TenantKeys as TenantDocument, TenantKeyRecord, TenantKeyStore } from '@caas/key-store';
import type { KeyVault } from '@caas/key-vault';
import { CaasError, type Clock } from '@caas/kit';
import { type RootKey, rootKeyFrom } from '@caas/kit/sealing';
import { maxAttempts, maxHeldTenants, tenantKeyHoldMs } from './limits.ts';

const keyBytes = 32;

/** What a tenant's key is wrapped for: it opens as this and nothing else. */
const contextOf = (tenantId: string, version: number): string => `tenant key/${tenantId}/${version}`;

/** A tenant's key, unwrapped. */
export interface TenantKey {
  readonly version: number;
  readonly key: RootKey;
}

interface Held {
  readonly current: TenantKey;
  readonly document: TenantDocument;
  /** By version; unwrapped when first asked for. */
  readonly opened: Map<number, Promise<TenantKey>>;
  readonly untilMs: number;
}

const newestOf = ({ keys }: Pick<TenantDocument, 'keys'>): TenantKeyRecord | undefined =>
  keys.findLast(({ destroyedAtMs }) => destroyedAtMs === 0);

const busy = (): CaasError => new CaasError('UNAVAILABLE', 'the tenant’s keys are being changed by others');

/** Keys of tenants: unwrapped by the vault, held for a while, made where there is none. */
export class TenantKeys {
  readonly #store: TenantKeyStore;
  readonly #vault: KeyVault;
  readonly #clock: Clock;
  readonly #held = new Map<string, Promise<Held>>();

  constructor(store: TenantKeyStore, vault: KeyVault, clock: Clock) {
    this.#store = store;
    this.#vault = vault;
    this.#clock = clock;
  }

  /** The key new data keys are wrapped by; made when there is none. */
  async current(tenantId: string): Promise<TenantKey> {
    return (await this.#holding(tenantId)).current;
  }

  /** One that data keys are wrapped by; INTERNAL when there is none of this version. */
  async version(tenantId: string, version: number): Promise<TenantKey> {
    const held = await this.#holding(tenantId);
    if (held.opened.has(version) || held.document.keys.some((key) => key.version === version))
      return this.#opened(held, version);
    // Made by another process since.
    this.forget(tenantId);
    return this.#opened(await this.#holding(tenantId), version);
  }

  /** Makes a new current key; answers its version. */
  async rotate(tenantId: string): Promise<number> {
    for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
      const document = await this.#store.get(tenantId);
      const version = (document?.keys.at(-1)?.version ?? 0) + 1;
      if (await this.#add(tenantId, document, version)) {
        this.forget(tenantId);
        return version;
      }
    }
    throw busy();
  }

  /**
   * Destroys versions that nothing is wrapped by any more, `isUsed` says which are, and that no process holds as the current
   * one: what they wrapped in copies of the store made before can't be opened from then on.
   */
  async destroyUnused(tenantId: string, isUsed: (version: number) => boolean): Promise<void> {
    const document = await this.#store.get(tenantId);
    if (!document) return;
    const nowMs = this.#clock.now();
    const newest = newestOf(document);
    const isOver = ({ version, destroyedAtMs }: TenantKeyRecord): boolean => {
      const next = document.keys.find((key) => key.version === version + 1);
      const replacedAtMs = next?.createdAtMs ?? nowMs;
      return (
        destroyedAtMs === 0 &&
        version !== newest?.version &&
        !isUsed(version) &&
        replacedAtMs + 2 * tenantKeyHoldMs < nowMs
      );
    };
    if (!document.keys.some(isOver)) return;
    const keys = document.keys.map((key) => (isOver(key) ? { ...key, destroyedAtMs: nowMs } : key));
    // Changed meanwhile: the next rotation does it.
    await this.#store.put({ tenantId, keys }, document.rev);
    this.forget(tenantId);
  }

  /** Brings a tenant's keys under the vault's newest root key; answers how many were not yet. */
  async rewrap(tenantId: string, rootVersion: number): Promise<number> {
    for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
      const document = await this.#store.get(tenantId);
      const isOld = ({ wrapped, destroyedAtMs }: TenantKeyRecord): boolean =>
        destroyedAtMs === 0 && this.#vault.versionOf(wrapped) < rootVersion;
      const old = document?.keys.filter(isOld) ?? [];
      if (!document || old.length === 0) return 0;
      const keys = await Promise.all(
        document.keys.map(async (key) =>
          isOld(key)
            ? { ...key, wrapped: await this.#vault.rewrap(contextOf(tenantId, key.version), key.wrapped) }
            : key,
        ),
      );
      if (await this.#store.put({ tenantId, keys }, document.rev)) return old.length;
    }
    throw busy();
  }

  forget(tenantId: string): void {
    this.#held.delete(tenantId);
  }

  async #holding(tenantId: string): Promise<Held> {
    const known = this.#held.get(tenantId);
    if (known) {
      const held = await known;
      // A clock that was set back must not make it live on.
      const leftMs = held.untilMs - this.#clock.now();
      if (leftMs > 0 && leftMs <= tenantKeyHoldMs) return held;
      if (this.#held.get(tenantId) === known) this.#held.delete(tenantId);
    }
    return this.#held.get(tenantId) ?? this.#load(tenantId);
  }

  /** One load for all who ask meanwhile; one that fails is not kept. */
  #load(tenantId: string): Promise<Held> {
    const loading = this.#read(tenantId);
    this.#held.set(tenantId, loading);
    loading.catch(() => {
      if (this.#held.get(tenantId) === loading) this.#held.delete(tenantId);
    });
    if (this.#held.size > maxHeldTenants) this.#held.delete(this.#held.keys().next().value as string);
    return loading;
  }

  async #read(tenantId: string): Promise<Held> {
    const untilMs = this.#clock.now() + tenantKeyHoldMs;
    for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
      const document = await this.#store.get(tenantId);
      const newest = document && newestOf(document);
      if (document && newest) {
        const opened = new Map([[newest.version, this.#unwrapped(tenantId, newest)]]);
        const current = await (opened.get(newest.version) as Promise<TenantKey>);
        return { current, document, opened, untilMs };
      }
      await this.#add(tenantId, document, (document?.keys.at(-1)?.version ?? 0) + 1);
    }
    throw busy();
  }

  async #add(tenantId: string, document: TenantDocument | undefined, version: number): Promise<boolean> {
    const secret = randomBytes(keyBytes);
    const wrapped = await this.#vault.wrap(contextOf(tenantId, version), secret);
    secret.fill(0);
    const added = { version, wrapped, createdAtMs: this.#clock.now(), destroyedAtMs: 0 };
    return this.#store.put({ tenantId, keys: [...(document?.keys ?? []), added] }, document?.rev ?? 0);
  }

  #opened({ document, opened }: Held, version: number): Promise<TenantKey> {
    const known = opened.get(version);
    if (known) return known;
    const record = document.keys.find((key) => key.version === version && key.destroyedAtMs === 0);
    if (!record) throw new CaasError('INTERNAL', 'a data key is wrapped by no key of its tenant', { retryable: false });
    const opening = this.#unwrapped(document.tenantId, record);
    opened.set(version, opening);
    opening.catch(() => opened.delete(version));
    return opening;
  }

  async #unwrapped(tenantId: string, { version, wrapped }: TenantKeyRecord): Promise<TenantKey> {
    const secret = await this.#vault.unwrap(contextOf(tenantId, version), wrapped);
    const key = rootKeyFrom(secret);
    secret.fill(0);
    return { version, key };
  }
}
