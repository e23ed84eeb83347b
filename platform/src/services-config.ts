import { type AuthConfig, authConfig } from '@caas/auth';
import { type ComplianceConfig, complianceConfig } from '@caas/compliance';
import { type CryptoConfig, cryptoConfig } from '@caas/crypto';
import { type GatewayConfig, gatewayConfig } from '@caas/gateway';
import { type MediaConfig, mediaConfig } from '@caas/media';
import { type PersistenceConfig, persistenceConfig } from '@caas/persistence';
import { type SearchConfig, searchConfig } from '@caas/search';
import { type SocketEnvironment, socketConfig } from '@caas/socket';

/** The services' own settings. Addresses, ports, files, drains and tokens in them give way to the platform's. */
export interface ServicesConfig {
  auth: AuthConfig;
  /** `socketUrls` empty: clients are told the nodes' own addresses. */
  gateway: GatewayConfig;
  /** Of every socket node. */
  socket: SocketEnvironment;
  persistence: PersistenceConfig;
  crypto: CryptoConfig;
  media: MediaConfig;
  compliance: ComplianceConfig;
  search: SearchConfig;
}

/** The services' settings as they read them when started alone; throws a ConfigError. */
export const servicesConfig = {
  auth: authConfig,
  gateway: (env: Readonly<Record<string, string | undefined>>) => gatewayConfig(env, { minSocketUrls: 0 }),
  socket: socketConfig,
  persistence: persistenceConfig,
  crypto: cryptoConfig,
  media: mediaConfig,
  compliance: complianceConfig,
  search: searchConfig,
} satisfies { [S in keyof ServicesConfig]: (env: Readonly<Record<string, string | undefined>>) => ServicesConfig[S] };
