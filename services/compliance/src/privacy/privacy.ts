import { sign } from 'node:crypto';
import { KeyRing } from '@caas/compliance-client/keys';
import { publicKeyBytes } from '@caas/compliance-client/verify';
import type { Runnable } from '@caas/kit';
import type { SigningKeys } from '@caas/kit/signing-keys';
import type { PrivacyClients } from './clients.ts';
import type { PrivacyCore } from './core.ts';
import { JobRunner } from './runner.ts';
import { Sweeps } from './sweeps.ts';

export interface PrivacyParts
  extends Pick<
    PrivacyCore,
    'store' | 'messages' | 'held' | 'log' | 'grown' | 'audit' | 'checkpoints' | 'writer' | 'clock' | 'logger'
  > {
  clients: PrivacyClients;
  /** Sign certificates and manifests. */
  signingKeys: SigningKeys;
  /** Time between two sweeps of retention, in milliseconds. */
  retentionIntervalMs: number;
}

/** What privacy is made of: its core, and what lives. */
export const privacyOf = (parts: PrivacyParts): { core: PrivacyCore; runnables: Runnable[] } => {
  const { clients, signingKeys, retentionIntervalMs, ...shared } = parts;
  const ring = new KeyRing({ source: clients.keys, holder: 'compliance', logger: parts.logger });
  const core: PrivacyCore = {
    ...shared,
    ...clients,
    ring,
    sign(text) {
      const { keyId, privateKey } = signingKeys.current;
      return { text, signature: sign(null, Buffer.from(text), privateKey).toString('base64'), keyId };
    },
    async publicKey(keyId) {
      if (!signingKeys.publicKey(keyId)) await signingKeys.learn(keyId);
      const key = signingKeys.publicKey(keyId);
      return key && publicKeyBytes(key);
    },
    wake: () => runner.wake(),
  };
  const runner = new JobRunner(core);
  return { core, runnables: [ring, runner, new Sweeps(core, retentionIntervalMs)] };
};
