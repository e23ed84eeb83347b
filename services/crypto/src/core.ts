import type { KeyStore } from '@caas/key-store';
import type { KeyVault } from '@caas/key-vault';
import type { Clock, Logger } from '@caas/kit';
import type { CryptoConfig } from './config.ts';
import { DataKeys } from './data-keys.ts';
import { Destructions } from './destructions.ts';
import { Rotations } from './rotations.ts';
import { TenantKeys } from './tenant-keys.ts';

export type Lifetimes = Pick<CryptoConfig, 'keyHoldMs' | 'holderGraceMs'>;

export interface CorePorts {
  store: KeyStore;
  vault: KeyVault;
  config: Lifetimes;
  clock: Clock;
  logger: Logger;
}

/** What the commands share. */
export class CryptoCore {
  readonly store: KeyStore;
  readonly clock: Clock;
  readonly config: Lifetimes;
  readonly keys: DataKeys;
  readonly rotations: Rotations;
  readonly destructions: Destructions;

  constructor({ store, vault, config, clock, logger }: CorePorts) {
    this.store = store;
    this.clock = clock;
    this.config = config;
    const tenants = new TenantKeys(store.tenants, vault, clock);
    this.keys = new DataKeys(store.users, tenants, clock, logger);
    this.rotations = new Rotations({ store, vault, tenants, keys: this.keys });
    this.destructions = new Destructions(store.users, clock, config.holderGraceMs);
  }
}
