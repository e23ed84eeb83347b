import type { KeyStore, UserKeys } from '@caas/key-store';
import type { KeyVault } from '@caas/key-vault';
import type { DataKeys } from './data-keys.ts';
import { rewrapPage } from './limits.ts';
import type { TenantKeys } from './tenant-keys.ts';

export interface Rotated {
  version: number;
  rewrapped: number;
}

const root = '';

/**
 * New keys for whole tenants and for the vault, and what is wrapped by the old ones brought under them. One at a time of each:
 * who asks while one is under way, as a caller does that was cut off, gets that one's end.
 */
export class Rotations {
  readonly #store: KeyStore;
  readonly #vault: KeyVault;
  readonly #tenants: TenantKeys;
  readonly #keys: DataKeys;
  readonly #running = new Map<string, Promise<Rotated>>();

  constructor(ports: { store: KeyStore; vault: KeyVault; tenants: TenantKeys; keys: DataKeys }) {
    this.#store = ports.store;
    this.#vault = ports.vault;
    this.#tenants = ports.tenants;
    this.#keys = ports.keys;
  }

  tenant(tenantId: string): Promise<Rotated> {
    return this.#once(tenantId, () => this.#rotateTenant(tenantId));
  }

  root(): Promise<Rotated> {
    return this.#once(root, () => this.#rotateRoot());
  }

  #once(name: string, rotate: () => Promise<Rotated>): Promise<Rotated> {
    const running = this.#running.get(name);
    if (running !== undefined) return running;
    const started = rotate().finally(() => this.#running.delete(name));
    this.#running.set(name, started);
    return started;
  }

  async #rotateTenant(tenantId: string): Promise<Rotated> {
    const version = await this.#tenants.rotate(tenantId);
    const by = await this.#tenants.version(tenantId, version);
    const used = new Set<number>();
    let rewrapped = 0;
    for (let afterRef = ''; ; ) {
      const page = await this.#store.users.ofTenant(tenantId, afterRef, rewrapPage);
      rewrapped += await this.#keys.rewrap(page, by);
      if (page.length < rewrapPage) break;
      afterRef = (page.at(-1) as UserKeys).ref;
    }
    // Another process may have wrapped by the old version until it heard of the new one: what is used is counted after.
    for (let afterRef = ''; ; ) {
      const page = await this.#store.users.ofTenant(tenantId, afterRef, rewrapPage);
      for (const { keys } of page) for (const key of keys) if (key.destroyedAtMs === 0) used.add(key.tenantKeyVersion);
      if (page.length < rewrapPage) break;
      afterRef = (page.at(-1) as UserKeys).ref;
    }
    await this.#tenants.destroyUnused(tenantId, (each) => used.has(each));
    return { version, rewrapped };
  }

  async #rotateRoot(): Promise<Rotated> {
    const version = await this.#vault.rotate();
    let rewrapped = 0;
    for (let after = ''; ; ) {
      const page = await this.#store.tenants.list(after, rewrapPage);
      for (const { tenantId } of page) rewrapped += await this.#tenants.rewrap(tenantId, version);
      if (page.length < rewrapPage) break;
      after = page.at(-1)?.tenantId as string;
    }
    return { version, rewrapped };
  }
}
