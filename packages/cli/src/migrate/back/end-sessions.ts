import { type AccountStore, maxSessionsPerCall } from '@caas/account-store';
import { type ConversationKey, type MessageStore, maxDocumentsPerCall } from '@caas/message-store';
import type { Ledger } from '../ledger.ts';
import type { Pair } from '../names.ts';

interface EndSessionsParts {
  pair: Pair;
  ledger: Ledger;
  store: MessageStore;
  accounts: Pick<AccountStore, 'sessions'>;
}

/** Ends the sessions of everybody who is or was in a conversation of the tenant; answers how many there were. */
export const endSessions = async ({ pair, ledger, store, accounts }: EndSessionsParts): Promise<number> => {
  const { tenantId } = pair;
  const seen = new Set<string>();
  let ended = 0;
  for await (const conversation of ledger.conversations(tenantId))
    for await (const userId of membersOf(store, conversation)) {
      if (seen.has(userId)) continue;
      seen.add(userId);
      ended += await endSessionsOf(accounts, tenantId, userId);
    }
  return ended;
};

async function* membersOf(store: MessageStore, key: ConversationKey): AsyncGenerator<string, void, undefined> {
  const limit = maxDocumentsPerCall;
  for (let afterUserId = ''; ; ) {
    const page = await store.participants.ofConversation(key, { afterUserId, limit, activeOnly: false });
    for (const { userId } of page) yield userId;
    const last = page.at(-1);
    if (!last || page.length < limit) return;
    afterUserId = last.userId;
  }
}

const endSessionsOf = async (
  { sessions }: EndSessionsParts['accounts'],
  tenantId: string,
  userId: string,
): Promise<number> => {
  for (let ended = 0; ; ) {
    const nowMs = Date.now();
    const live = await sessions.listLive({ tenantId, userId, nowMs, skip: 0, limit: maxSessionsPerCall });
    if (live.length === 0) return ended;
    ended += (await sessions.end(live, nowMs, 'OPERATOR')).length;
  }
};
