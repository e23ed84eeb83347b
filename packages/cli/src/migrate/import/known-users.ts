import { type AccountStore, maxUsersPerCall } from '@caas/account-store';
import { chunksOf } from '@caas/kit';
import type { Pair } from '../names.ts';

/** Users made known at a time. */
const usersAtOnce = 32;
/** Users of whom is remembered that they are known; past it all are forgotten and asked for again. */
const maxUsersRemembered = 200_000;

/** Makes users of the old service known to CAAS, by their old ids. */
export type MakeKnown = (oldUserIds: Iterable<string>, displayNames: ReadonlyMap<string, string>) => Promise<void>;

/** Who is known to CAAS already keeps the profile there. */
export const knownUsers = ({ users }: Pick<AccountStore, 'users'>, { tenantId }: Pair): MakeKnown => {
  const known = new Set<string>();
  return async (oldUserIds, displayNames) => {
    const asked = [...new Set(oldUserIds)].filter((id) => !known.has(id));
    for (const chunk of chunksOf(asked, maxUsersPerCall)) {
      const found = await users.getByExternalIds(tenantId, chunk);
      const fresh = chunk.filter((_, i) => found[i] === undefined);
      for (const few of chunksOf(fresh, usersAtOnce))
        await Promise.all(
          few.map((externalId) => {
            const displayName = displayNames.get(externalId);
            return users.upsert({ tenantId, externalId, displayName, nowMs: Date.now() });
          }),
        );
    }
    if (known.size + asked.length > maxUsersRemembered) known.clear();
    for (const id of asked) known.add(id);
  };
};
