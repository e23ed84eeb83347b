import { logEnds } from './back/log-ends.ts';
import { type ImportReport, importTenant } from './import/import-tenant.ts';
import type { LogOfCaas, OpenSides } from './open.ts';
import { settled } from './settled.ts';
import { type VerifyReport, verifyTenant } from './verify/verify-tenant.ts';

export interface CutOver {
  imported: ImportReport;
  verified: VerifyReport;
}

/**
 * Brings over what a frozen tenant wrote last, compares both sides, and lets the users into CAAS when they are equal. What
 * the log holds from here on is what the old side has not had. May be ended anywhere and run again.
 */
export const cutOver = async (
  sides: OpenSides,
  { log, partitions }: LogOfCaas,
  signal: AbortSignal,
): Promise<CutOver> => {
  const { ledger, pair } = sides;
  const tenant = await ledger.begin(pair, ['frozen']);
  await settled(tenant, signal);
  const imported = await importTenant(sides, { run: tenant.run, signal });
  const verified = await verifyTenant(sides, { signal });
  if (verified.differing === 0) {
    const next = await logEnds(log, partitions);
    await ledger.keepFollowed(pair.tenantId, tenant.run, { next, keptBack: new Set() });
    await ledger.moveTo(pair.tenantId, ['frozen'], 'dual-write');
  }
  return { imported, verified };
};
