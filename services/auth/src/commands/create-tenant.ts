import type { Tenant, TenantLimitsRecord } from '@caas/account-store';
import { fail, tenantLimitCeilings } from '@caas/kit';
import type { CallContext } from '@caas/kit/grpc';
import type { CreateTenantRequest, CreateTenantResponse } from '@caas/proto/caas/auth/v1/tenant_service';
import type { AuthCore } from '../core.ts';

const invalid = (field: string, message: string, details: Record<string, string> = {}): never =>
  fail('INVALID_ARGUMENT', `${field} ${message}`, { details: { field, ...details } });

/** The least is 1. */
const checkLimits = (limits: TenantLimitsRecord): void => {
  for (const [name, ceiling] of Object.entries(tenantLimitCeilings)) {
    const value = limits[name as keyof TenantLimitsRecord];
    if (value === undefined || (value >= 1 && value <= ceiling)) continue;
    const field = `limits.${name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`;
    invalid(field, `is not from 1 to ${ceiling}`, { min: '1', max: String(ceiling) });
  }
};

const checkOrigins = (origins: readonly string[]): void => {
  for (const origin of origins) {
    if (URL.parse(origin)?.origin !== origin) invalid('allowed_origins', 'has an entry that is not an origin');
  }
};

/** Creates a tenant. An id that is taken is IDEMPOTENCY_CONFLICT. */
export const createTenant =
  (core: AuthCore) =>
  async (
    request: CreateTenantRequest,
    { caller, traceparent }: Pick<CallContext, 'caller' | 'traceparent'>,
  ): Promise<CreateTenantResponse> => {
    const { tenantId, name, allowedOrigins } = request;
    if (!/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(tenantId)) {
      invalid('tenant_id', 'has other than lower-case letters, digits and inner hyphens');
    }
    const limits: TenantLimitsRecord = { ...request.limits };
    checkLimits(limits);
    checkOrigins(allowedOrigins);
    const tenant: Tenant = { tenantId, name, createdAtMs: core.clock.now(), limits, allowedOrigins };
    const act = {
      tenantId,
      action: 'tenant.created',
      actor: { kind: 'operator', id: caller },
      subjectId: tenantId,
      traceparent,
    } as const;
    await core.audit.first(act, async () => {
      if (!(await core.accounts.tenants.create(tenant)))
        fail('IDEMPOTENCY_CONFLICT', 'the tenant_id is taken', { details: { field: 'tenant_id' } });
    });
    return { tenant };
  };
