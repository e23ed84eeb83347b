import type { ListRetentionRequest, ListRetentionResponse } from '@caas/proto/caas/compliance/v1/privacy_service';
import { rulesPage } from '../limits.ts';
import type { PrivacyCore } from '../privacy/core.ts';

/** Lists a tenant's rules of retention. */
export const listRetention =
  ({ store }: Pick<PrivacyCore, 'store'>) =>
  async ({ tenantId, afterConversationId }: ListRetentionRequest): Promise<ListRetentionResponse> => ({
    rules: await store.retention.list(
      tenantId,
      afterConversationId === '' ? undefined : afterConversationId,
      rulesPage,
    ),
  });
