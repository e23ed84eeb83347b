import type { VerifiedLog } from '@caas/compliance-client/verify';
import type { Checkpoint } from '@caas/proto/caas/compliance/v1/audit_service';
import type { Exported } from './export-audit.ts';

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

const checkpointLines = ({ tenantId, treeSize, rootHash, signedAtMs, keyId, publicKey }: Checkpoint): string[] => [
  `tenant         ${tenantId}`,
  `checkpoint     ${treeSize} entries, signed ${new Date(signedAtMs).toISOString()}`,
  `root           ${base64(rootHash)}`,
  `key            ${base64(publicKey)}   (id ${keyId})`,
];

export const exportLines = ({ entries, checkpoint }: Exported, file: string): string[] => [
  `written        ${entries} entries to ${file}`,
  ...checkpointLines(checkpoint),
];

export const verifyLines = ({ ok, entries, checkpoint, findings }: VerifiedLog): string[] => [
  ...(checkpoint ? checkpointLines(checkpoint) : []),
  `read           ${entries} entries`,
  ...findings.map(
    ({ kind, line, message }) => `${kind.padEnd(14)} ${line === undefined ? '' : `line ${line}: `}${message}`,
  ),
  ok ? 'verified       nothing was altered' : 'NOT VERIFIED',
];
