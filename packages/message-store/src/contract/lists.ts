import { expect, test } from '@jest/globals';
import type { ConversationKey, MessageStore } from '../port.ts';
import { aRoom, fresh } from './builders.ts';

/** What whoever goes through all conversations may rely on. */
export const listsContract = (store: () => MessageStore): void => {
  const rooms = async (tenantId: string, count: number): Promise<string[]> => {
    const made = Array.from({ length: count }, () => aRoom());
    const heads = made.map(({ head, key }) => ({ expectedHeadRev: 0, document: { ...head(3, 1), ...key, tenantId } }));
    await store().conversations.commit(heads);
    return made.map(({ key }) => key.conversationId);
  };
  /** Everything, a page at a time. */
  const all = async (limit: number, tenantId?: string): Promise<ConversationKey[]> => {
    const listed: ConversationKey[] = [];
    for (;;) {
      const page = await store().conversations.list(listed.at(-1), limit, tenantId);
      expect(page.length).toBeLessThanOrEqual(limit);
      listed.push(...page.map(({ tenantId: tenant, conversationId }) => ({ tenantId: tenant, conversationId })));
      if (page.length < limit) return listed;
    }
  };

  test('have each conversation once, whatever the size of the pages', async () => {
    const [tenant, other] = [fresh('tenant'), fresh('tenant')];
    const [mine, theirs] = [await rooms(tenant, 7), await rooms(other, 3)];
    const pages = await all(2);
    const names = pages.map((key) => JSON.stringify(key));
    expect(new Set(names).size).toBe(names.length);
    expect(await all(1_000)).toEqual(pages);
    const ofTenant = (id: string): string[] =>
      pages.flatMap(({ tenantId, conversationId }) => (tenantId === id ? [conversationId] : [])).toSorted();
    expect(ofTenant(tenant)).toEqual(mine.toSorted());
    expect(ofTenant(other)).toEqual(theirs.toSorted());
  });

  test('of a tenant have no other’s, also where the names are alike', async () => {
    const tenant = fresh('tenant');
    const mine = await rooms(tenant, 5);
    await rooms(`${tenant}x`, 2);
    await rooms(tenant.slice(0, -1), 2);
    for (const limit of [2, 5, 100])
      expect((await all(limit, tenant)).map(({ conversationId }) => conversationId).toSorted()).toEqual(
        mine.toSorted(),
      );
    expect(await all(10, fresh('tenant'))).toEqual([]);
  });

  test('are the heads as committed', async () => {
    const tenantId = fresh('tenant');
    const { head } = aRoom();
    const document = { ...head(4, 1), tenantId };
    await store().conversations.commit([{ expectedHeadRev: 0, document }]);
    expect(await store().conversations.list(undefined, 10, tenantId)).toEqual([document]);
  });
};
