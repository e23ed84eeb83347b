/** An exported audit log, made as compliance makes it, for tests to alter. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { AuditEntry, type Checkpoint } from '@caas/proto/caas/compliance/v1/audit_service';
import { AuditEvent } from '@caas/proto/caas/events/v1/audit_event';
import { Frontier } from '../merkle/index.ts';
import { checkpointLine, entryLine, keyIdOf, publicKeyBytes, signCheckpoint } from '../verify/index.ts';

export interface Signer {
  privateKey: KeyObject;
  publicKey: Uint8Array;
}

export const aSigner = (): Signer => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return { privateKey, publicKey: publicKeyBytes(publicKey) };
};

export const aLeaf = (index: number, over: Partial<AuditEvent> = {}, tenantId = 'acme'): Uint8Array => {
  const event = AuditEvent.fromPartial({
    eventId: `event-${index}`,
    tenantId,
    atMs: 1_700_000_000_000 + index,
    service: 'socket',
    actorId: 'alice',
    action: 'message.deleted',
    subjectId: `m${index}`,
    details: { sender_id: 'bob' },
    ...over,
  });
  return AuditEntry.encode({ tenantId, index, loggedAtMs: event.atMs + 5, event }).finish();
};

/** The signed checkpoint of the tree of these leaves. */
export const aCheckpoint = (leaves: readonly Uint8Array[], signer: Signer, tenantId = 'acme'): Checkpoint => {
  const frontier = new Frontier();
  for (const leaf of leaves) frontier.add(leaf);
  const claim = {
    tenantId,
    treeSize: leaves.length,
    rootHash: Buffer.from(frontier.root()),
    signedAtMs: 1_700_000_100_000,
  };
  return {
    ...claim,
    keyId: keyIdOf(signer.publicKey),
    signature: Buffer.from(signCheckpoint(claim, signer.privateKey)),
    publicKey: Buffer.from(signer.publicKey),
  };
};

/** The lines of an export, without their ends. */
export const linesOf = (leaves: readonly Uint8Array[], checkpoint: Checkpoint): string[] =>
  [...leaves.map(entryLine), checkpointLine(checkpoint)].map((line) => line.trimEnd());
