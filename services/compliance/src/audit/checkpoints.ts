import { setTimeout as wait } from 'node:timers/promises';
import type { AuditStore, CheckpointRecord } from '@caas/audit-store';
import { publicKeyBytes, signCheckpoint } from '@caas/compliance-client/verify';
import { CaasError, type Clock, type Logger, type Runnable } from '@caas/kit';
import type { SigningKeys } from '@caas/kit/signing-keys';
import type { Checkpoint } from '@caas/proto/caas/compliance/v1/audit_service';
import { readTree } from './trees.ts';

export interface CheckpointsParts {
  store: Pick<AuditStore, 'trees' | 'checkpoints'>;
  keys: SigningKeys;
  clock: Clock;
  logger: Logger;
  /** Least time between two of a tenant that nobody asked for, in milliseconds. */
  intervalMs: number;
}

/** Signs what the trees are: where they have grown, at most once an interval, and for whoever asks. */
export class Checkpoints implements Runnable {
  readonly name = 'audit checkpoints';
  readonly #parts: CheckpointsParts;
  readonly #grown = new Set<string>();

  constructor(parts: CheckpointsParts) {
    this.#parts = parts;
  }

  /** The tenant's tree has grown. */
  grown(tenantId: string): void {
    this.#grown.add(tenantId);
  }

  /** The newest checkpoint, of the tree as it is now. */
  async current(tenantId: string): Promise<Checkpoint> {
    const { trees, checkpoints } = this.#parts.store;
    const [kept, { size }] = await Promise.all([checkpoints.newest(tenantId), trees.head(tenantId)]);
    return this.#signed(kept !== undefined && kept.treeSize >= size ? kept : await this.#make(tenantId));
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await wait(this.#parts.intervalMs, undefined, { signal }).catch(() => undefined);
      await this.#makeAll();
    }
  }

  async #makeAll(): Promise<void> {
    for (const tenantId of [...this.#grown]) {
      this.#grown.delete(tenantId);
      try {
        await this.#make(tenantId);
      } catch (err) {
        this.#parts.logger.warn({ err, tenantId }, 'no checkpoint made; the next one will do');
        this.#grown.add(tenantId);
        return;
      }
    }
  }

  async #make(tenantId: string): Promise<CheckpointRecord> {
    const { store, keys, clock } = this.#parts;
    const { frontier } = await readTree(store.trees, tenantId);
    const { keyId, privateKey } = keys.current;
    const claim = { tenantId, treeSize: frontier.size, rootHash: frontier.root(), signedAtMs: clock.now() };
    const checkpoint = { ...claim, keyId, signature: signCheckpoint(claim, privateKey) };
    // An empty tree's is for who asked: there may be no such tenant.
    if (frontier.size > 0) await store.checkpoints.keep(checkpoint);
    return checkpoint;
  }

  async #signed(checkpoint: CheckpointRecord): Promise<Checkpoint> {
    const { keys } = this.#parts;
    const { keyId } = checkpoint;
    if (!keys.publicKey(keyId)) await keys.learn(keyId);
    const publicKey = keys.publicKey(keyId);
    if (!publicKey) throw new CaasError('INTERNAL', 'a checkpoint is signed by a key nobody knows');
    const [rootHash, signature] = [Buffer.from(checkpoint.rootHash), Buffer.from(checkpoint.signature)];
    return { ...checkpoint, rootHash, signature, publicKey: Buffer.from(publicKeyBytes(publicKey)) };
  }
}
