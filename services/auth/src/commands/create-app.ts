import { CaasError, fail, newId } from '@caas/kit';
import type { CallContext } from '@caas/kit/grpc';
import type { CreateAppRequest, CreateAppResponse } from '@caas/proto/caas/auth/v1/tenant_service';
import { newAppSecret } from '../app-secret.ts';
import type { AuthCore } from '../core.ts';

/** Creates an app of a tenant and tells its secret, this once. */
export const createApp =
  (core: AuthCore) =>
  async (
    { tenantId, name }: CreateAppRequest,
    { caller, traceparent }: Pick<CallContext, 'caller' | 'traceparent'>,
  ): Promise<CreateAppResponse> => {
    if (!(await core.accounts.tenants.get(tenantId))) {
      fail('NOT_FOUND', 'there is no such tenant', { details: { field: 'tenant_id' } });
    }
    const nowMs = core.clock.now();
    const { secret, stored } = newAppSecret(nowMs);
    const appId = newId(nowMs);
    const app = { appId, tenantId, name, createdAtMs: nowMs, secrets: [stored] };
    const act = {
      tenantId,
      action: 'app.created',
      actor: { kind: 'operator', id: caller },
      subjectId: appId,
      traceparent,
    } as const;
    await core.audit.first(act, async () => {
      if (!(await core.accounts.apps.create(app))) throw new CaasError('INTERNAL', 'an app id was made twice');
    });
    return { appId, appSecret: secret };
  };
