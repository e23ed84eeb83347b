import { ConfigError } from '../config.ts';
import type { Logger } from '../log.ts';
import { type ServiceAuth, sharedTokenAuth } from './auth.ts';
import { mutualTls } from './mutual-tls.ts';

export interface AuthSettings {
  /** CAAS_TLS_DIR: certificates for mutual TLS. */
  tlsDir?: string | undefined;
  /** CAAS_SERVICE_TOKEN: shared by the services of one machine. */
  serviceToken?: string | undefined;
  /** CAAS_OPERATOR_TOKEN: proves an operator's calls, where the service serves any. */
  operatorToken?: string | undefined;
}

/** How a service that runs alone proves itself, as it was told; mutual TLS where both are set. Throws a ConfigError. */
export const chooseServiceAuth = (
  service: string,
  { tlsDir, serviceToken: token, operatorToken }: AuthSettings,
  logger: Logger,
): ServiceAuth => {
  const operatorsToo = operatorToken === undefined ? {} : { operatorToken };
  if (tlsDir !== undefined) {
    const onFault = (err: unknown): void => logger.error({ err }, 'certificates cannot be used; the former ones stay');
    return mutualTls({ dir: tlsDir, service, ...operatorsToo, onFault });
  }
  if (token !== undefined) return sharedTokenAuth({ token, ...operatorsToo });
  throw new ConfigError(
    `${service} cannot start: neither CAAS_TLS_DIR (certificates for mutual TLS) nor, for services of one machine, CAAS_SERVICE_TOKEN is set`,
  );
};
