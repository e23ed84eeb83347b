import type { AuditStore } from '@caas/audit-store';
import type { AuditWriter } from '@caas/compliance-client/audit';
import type { KeyRing } from '@caas/compliance-client/keys';
import type { EventLog } from '@caas/event-log';
import type { Clock, Logger } from '@caas/kit';
import type { MessageStore } from '@caas/message-store';
import type { PolicyStore } from '@caas/policy-store';
import type { PrivacyStore, SignedText } from '@caas/privacy-store';
import type { Checkpoints } from '../audit/checkpoints.ts';
import type { PrivacyClients } from './clients.ts';

/** What the commands and jobs of privacy share. */
export interface PrivacyCore extends PrivacyClients {
  readonly store: PrivacyStore;
  /** Read only: what is to change there goes through the log. */
  readonly messages: MessageStore;
  /** What waits for moderators. */
  readonly held: Pick<PolicyStore, 'removeHeldOf'>;
  readonly log: EventLog;
  /** Partitions of topics that have more than the table says. */
  readonly grown: Readonly<Record<string, number>>;
  readonly audit: AuditStore;
  readonly checkpoints: Pick<Checkpoints, 'current'>;
  readonly writer: AuditWriter;
  /** Opens what messages say. */
  readonly ring: KeyRing;
  /** Signs a text with the key that signs checkpoints. */
  sign(text: string): SignedText;
  /** The 32 bytes of a key's public half; undefined: nobody knows it. */
  publicKey(keyId: string): Promise<Uint8Array | undefined>;
  /** There may be something to do. */
  wake(): void;
  readonly clock: Clock;
  readonly logger: Logger;
}
