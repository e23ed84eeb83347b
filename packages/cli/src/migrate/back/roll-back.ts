import type { LogOfCaas, OpenSides } from '../open.ts';
import { settled } from '../settled.ts';
import { fedBack } from '../states.ts';
import { type VerifyReport, verifyTenant } from '../verify/verify-tenant.ts';
import { endSessions } from './end-sessions.ts';
import { Follower } from './follow.ts';

/**
 * How long nothing of the tenant may be accepted in CAAS before it counts as left, in milliseconds: nodes close the
 * connections of a session that has ended within 5 s.
 */
const quietMs = 10_000;

export interface RolledBack {
  messages: number;
  sessions: number;
  /** Conversations with accepted records that the workers of CAAS have put aside. */
  keptBack: readonly string[];
  verified: VerifyReport;
  /** Whether the tenant is back in the old service. */
  done: boolean;
}

/**
 * Brings a tenant back to the old service: first nobody writes anywhere, then the old side gets everything that CAAS has
 * accepted, and only when both sides are equal do users write there again. May be ended anywhere and run again.
 */
export const rollBack = async (
  sides: OpenSides,
  caasLog: LogOfCaas,
  { signal, onProgress }: { signal: AbortSignal; onProgress?(messages: number): void },
): Promise<RolledBack> => {
  const { ledger, pair } = sides;
  const { run } = await ledger.begin(pair, [...fedBack, 'returning']);
  const tenant = await ledger.moveTo(pair.tenantId, fedBack, 'returning');
  await settled(tenant, signal);
  let [messages, sessions] = [0, 0];
  const onWritten = (count: number): void => {
    messages += count;
    onProgress?.(messages);
  };
  const follower = new Follower({ ...sides, ...caasLog, run, onWritten }, tenant);
  // Conversations that began in CAAS are in the ledger once they are written back; then their members are known, too.
  for (let ended = await endSessions(sides); ; ) {
    sessions += ended;
    await follower.run(signal, async () => follower.quietMs >= quietMs);
    await follower.catchUp(signal);
    ended = await endSessions(sides);
    if (ended === 0) break;
  }
  const keptBack = [...follower.keptBack];
  const verified = await verifyTenant(sides, { signal });
  const done = keptBack.length === 0 && verified.differing === 0;
  if (done) await ledger.moveTo(pair.tenantId, ['returning'], 'off');
  return { messages, sessions, keptBack, verified, done };
};
