import { CaasError } from '@caas/kit';
import type { CallContext } from '@caas/kit/grpc';
import type { RotateAppSecretRequest, RotateAppSecretResponse } from '@caas/proto/caas/auth/v1/tenant_service';
import { newAppSecret, rotatedSecrets } from '../app-secret.ts';
import type { AuthCore } from '../core.ts';

/** Replaces the secret of an app; the newest old one stays valid for the overlap, older ones end now. */
export const rotateAppSecret =
  (core: AuthCore) =>
  async (
    { appId, overlapMs }: RotateAppSecretRequest,
    { caller, traceparent }: Pick<CallContext, 'caller' | 'traceparent'>,
  ): Promise<RotateAppSecretResponse> => {
    const app = await core.accounts.apps.get(appId);
    if (!app) throw new CaasError('NOT_FOUND', 'there is no such app', { details: { field: 'app_id' } });
    const nowMs = core.clock.now();
    const { secret, stored } = newAppSecret(nowMs);
    const secrets = rotatedSecrets(app.secrets, stored, { nowMs, overlapMs });
    const act = {
      tenantId: app.tenantId,
      action: 'app.secret_rotated',
      actor: { kind: 'operator', id: caller },
      subjectId: appId,
      traceparent,
      details: { overlap_ms: String(overlapMs) },
    } as const;
    await core.audit.first(act, async () => {
      if (!(await core.accounts.apps.replaceSecrets(appId, app.version, secrets)))
        throw new CaasError('FAILED_PRECONDITION', 'the app was changed meanwhile; look and try again');
    });
    return { appSecret: secret };
  };
