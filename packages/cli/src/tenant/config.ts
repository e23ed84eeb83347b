import { address, loadConfig, text, token } from '@caas/kit/config';
import { z } from 'zod';

const schema = z.object({
  CAAS_AUTH_ADDRESS: address().default('127.0.0.1:50051'),
  CAAS_OPERATOR_TOKEN: token(),
  CAAS_TLS_DIR: text().optional(),
});

export interface OperatorConfig {
  /** `host:port` of auth's gRPC. */
  authAddress: string;
  operatorToken: string;
  /** Folder of `operator.pem`, `operator.key` and `ca.pem`; undefined: auth is on this machine, without TLS. */
  tlsDir: string | undefined;
}

/** How an operator calls auth; throws one ConfigError that names everything that is wrong. */
export const operatorConfig = (env: Readonly<Record<string, string | undefined>> = process.env): OperatorConfig => {
  const settings = loadConfig('caas tenant', schema, env);
  return {
    authAddress: settings.CAAS_AUTH_ADDRESS,
    operatorToken: settings.CAAS_OPERATOR_TOKEN,
    tlsDir: settings.CAAS_TLS_DIR,
  };
};
