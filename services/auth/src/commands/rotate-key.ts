import { installationTenant } from '@caas/compliance-client/audit';
import type { CallContext } from '@caas/kit/grpc';
import type { RotateKeyRequest, RotateKeyResponse } from '@caas/proto/caas/auth/v1/token_service';
import type { AuthCore } from '../core.ts';

/** Makes a new signing key current. */
export const rotateKey =
  (core: AuthCore) =>
  async (
    _: RotateKeyRequest,
    { caller, traceparent }: Pick<CallContext, 'caller' | 'traceparent'>,
  ): Promise<RotateKeyResponse> => {
    const act = {
      tenantId: installationTenant,
      action: 'key.rotated',
      actor: { kind: 'operator', id: caller },
      subjectId: 'signing-key',
      traceparent,
      details: { former_key_id: core.keys.current.keyId },
    } as const;
    return { keyId: await core.audit.first(act, () => core.keys.rotate()) };
  };
