import type { Logger } from '@caas/kit';
import { createGrpcClient, type GrpcClient, type ServiceAuth } from '@caas/kit/grpc';
import { PersonalDataServiceService } from '@caas/proto/caas/auth/v1/personal_data_service';
import { KeyServiceService } from '@caas/proto/caas/crypto/v1/key_service';
import { MediaServiceService } from '@caas/proto/caas/media/v1/media_service';
import { SearchServiceService } from '@caas/proto/caas/search/v1/search_service';

type Of<S extends Parameters<typeof createGrpcClient>[0], M extends keyof GrpcClient<S>> = Pick<GrpcClient<S>, M>;

/** Who has something of a user, as privacy asks them. */
export interface PrivacyClients {
  readonly accounts: Of<typeof PersonalDataServiceService, 'getUserData' | 'closeUser' | 'eraseUser'>;
  readonly keys: Of<typeof KeyServiceService, 'getCurrentKeys' | 'openKeys' | 'watchDestroyed' | 'destroyUserKeys'>;
  readonly media: Of<typeof MediaServiceService, 'listUserMedia' | 'readMedia' | 'deleteUserMedia'>;
  /** Undefined: the installation has no search. */
  readonly search: Of<typeof SearchServiceService, 'purgeUser'> | undefined;
}

export interface PrivacyAddresses {
  authAddress: string;
  cryptoAddress: string;
  mediaAddress: string;
  searchAddress: string | undefined;
}

/** gRPC clients of those services; closed by who made them. */
export const privacyClients = (
  addresses: PrivacyAddresses,
  auth: ServiceAuth,
  logger: Logger,
): PrivacyClients & { close(): void } => {
  const to = (address: string) => ({ address, auth, callerName: 'compliance', logger });
  const accounts = createGrpcClient(PersonalDataServiceService, to(addresses.authAddress));
  const keys = createGrpcClient(KeyServiceService, to(addresses.cryptoAddress));
  const media = createGrpcClient(MediaServiceService, to(addresses.mediaAddress));
  const { searchAddress } = addresses;
  const search = searchAddress === undefined ? undefined : createGrpcClient(SearchServiceService, to(searchAddress));
  return {
    accounts,
    keys,
    media,
    search,
    close() {
      for (const client of [accounts, keys, media, search]) client?.close();
    },
  };
};
