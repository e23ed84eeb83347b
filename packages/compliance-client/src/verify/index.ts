/** Verifying what the audit log says, offline. */
export {
  type Claim,
  checkpointText,
  isSignedBy,
  isTextSignedBy,
  keyIdOf,
  publicKeyBytes,
  signCheckpoint,
} from './checkpoint.ts';
export { checkpointLine, entryLine } from './export-lines.ts';
export {
  type Finding,
  type FindingKind,
  maxFindings,
  type VerifiedLog,
  type VerifyOptions,
  verifyExport,
} from './verifier.ts';
