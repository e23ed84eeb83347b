import { bytes, text } from '@caas/kit/config';
import { defaultSpoolBytes } from './writer.ts';

/** Variables of a service that audits, to be spread into its schema. */
export const auditVariables = {
  /** Folder of what waits for the log. */
  CAAS_AUDIT_DIR: text().default('data/audit'),
  /** Most that may wait there for a service's log, in bytes. */
  CAAS_AUDIT_MAX_BYTES: bytes({ min: 65_536 }).default(defaultSpoolBytes),
};

export interface AuditSettings {
  folder: string;
  maxSpoolBytes: number;
}

export const auditOf = (env: { CAAS_AUDIT_DIR: string; CAAS_AUDIT_MAX_BYTES: number }): AuditSettings => ({
  folder: env.CAAS_AUDIT_DIR,
  maxSpoolBytes: env.CAAS_AUDIT_MAX_BYTES,
});
