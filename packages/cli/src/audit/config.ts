import { loadConfig, text, token } from '@caas/kit/config';
import { z } from 'zod';

const schema = z.object({
  /** `host:port` of compliance. */
  CAAS_COMPLIANCE_ADDRESS: text().default('127.0.0.1:50057'),
  CAAS_OPERATOR_TOKEN: token(),
  /** Certificates `ca.pem`, `operator.pem` and `operator.key`, where services speak mutual TLS. */
  CAAS_TLS_DIR: text().optional(),
});

export interface AuditConfig {
  address: string;
  operatorToken: string;
  tlsDir: string | undefined;
}

/** How an operator reaches compliance, checked; throws one ConfigError that names everything that is wrong. */
export const auditConfig = (env: Readonly<Record<string, string | undefined>> = process.env): AuditConfig => {
  const settings = loadConfig('caas', schema, env);
  return {
    address: settings.CAAS_COMPLIANCE_ADDRESS,
    operatorToken: settings.CAAS_OPERATOR_TOKEN,
    tlsDir: settings.CAAS_TLS_DIR,
  };
};
