/**
 * Root keys, which never leave the vault: they wrap the tenants' keys. Embedded: a sealed file. Distributed: the Transit API of
 * Vault and those that speak it.
 *
 * What callers may rely on:
 * - A wrapped key opens in the vault it was wrapped in, for the same context, and nowhere else; whoever holds it without the
 *   vault holds nothing.
 * - What was wrapped stays good through rotations, restarts and a crash at any moment; a rotation that resolved is durable.
 * - Rejects with CaasError UNAVAILABLE when the vault does not answer in time, PERMISSION_DENIED when it refuses the caller,
 *   INTERNAL when a wrapped key does not open: changed, of another context, or of another vault.
 */
export interface KeyVault {
  /** Wraps a key of at most `maxWrappedKeyBytes` under the newest root key. `context` says whose it is. */
  wrap(context: string, key: Uint8Array): Promise<Uint8Array>;
  /** The key again, in bytes that are the caller's to overwrite. */
  unwrap(context: string, wrapped: Uint8Array): Promise<Uint8Array>;
  /** The same key under the newest root key; does not leave the vault meanwhile. */
  rewrap(context: string, wrapped: Uint8Array): Promise<Uint8Array>;
  /** Makes a new root key, the newest from then on; answers its version. Not repeated by itself: it may have happened. */
  rotate(): Promise<number>;
  /** Version of the root key a wrapped key is under: 1, 2, 3 …. */
  versionOf(wrapped: Uint8Array): number;
  close(): Promise<void>;
}

/** Greatest size of a key that is wrapped, in bytes. */
export const maxWrappedKeyBytes = 4096;
