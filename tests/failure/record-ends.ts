import { type CaasClient, CaasClientError, type ConversationEntry, type Message } from '@caas/client';
import type { Broken } from '../support/history.ts';
import type { Fleet, Member } from './fleet.ts';
import { pause } from './pause.ts';
import { recordStore } from './store-view.ts';
import type { Target } from './world.ts';

/** How long a read in the end is asked for again that says it may be, in milliseconds. */
const patienceMs = 30_000;

interface Place {
  target: Target;
  /** Folder of the histories. */
  dir: string;
}

/**
 * Writes down what each client of the fleets holds, what history answers one that begins anew, and what the store has; or
 * that it can't be known.
 */
export const recordEnds = async (place: Place, fleets: readonly Fleet[]): Promise<void> => {
  try {
    await record(place, fleets);
  } catch (thrown) {
    const [{ userId: client, recorder }] = fleets.flatMap(({ members }) => members) as [Member];
    recorder.write({ client, event: 'unjudged', what: `lists could not be read in the end: ${String(thrown)}` });
  }
};

const record = async ({ target, dir }: Place, fleets: readonly Fleet[]): Promise<void> => {
  for (const fleet of fleets)
    for (const member of fleet.members) {
      const { sdk } = fleet.client(member.name, await fleet.signIn(member.name), 1);
      await sdk.connect();
      await recordMember(member, sdk);
      sdk.close();
    }
  const view = await target.openStore();
  try {
    for (const fleet of fleets) await recordStore(view, fleet, dir);
  } finally {
    await view.close();
  }
};

const patiently = async <T>(read: () => Promise<T>): Promise<T> => {
  for (const untilMs = Date.now() + patienceMs; ; await pause(500)) {
    try {
      return await read();
    } catch (thrown) {
      if (!(thrown instanceof CaasClientError) || !thrown.retryable || Date.now() > untilMs) throw thrown;
    }
  }
};

const historyOf = async (fresh: CaasClient, id: string): Promise<Message[]> => {
  const read: Message[] = [];
  for await (const message of fresh.conversation(id).history({ afterSeq: 0, pageSize: 200 })) read.push(message);
  return read;
};

const recordMember = async ({ userId, sdk, recorder, conversations }: Member, fresh: CaasClient): Promise<void> => {
  const wrong = (broken: Broken, what: string): void =>
    recorder.write({ client: userId, event: 'wrong', broken, what });
  const listed = new Map<string, ConversationEntry>();
  for (let after = ''; ; ) {
    const { entries, next } = await patiently(() => fresh.listConversations(after === '' ? {} : { after }));
    for (const entry of entries) listed.set(entry.conversation.conversationId, entry);
    if (next === '') break;
    after = next;
  }
  for (const id of listed.keys()) if (!conversations.includes(id)) wrong('leaked', `${id} is in the list`);
  for (const id of conversations) {
    recorder.list('live', sdk.conversation(id).messages(), id, sdk.conversation(id).head);
    const { conversation, own, unreadCount } = await patiently(() => fresh.getConversation(id));
    const read = await patiently(() => historyOf(fresh, id));
    recorder.list('history', read, id, conversation.head ?? { lastSeq: 0, digest: '' });
    const unread = read.filter((m) => m.seq > own.readSeq && m.senderId !== userId && m.content !== undefined).length;
    if (unread !== unreadCount) wrong('act', `${id} has ${unreadCount} unread, not ${unread}`);
    if (!listed.has(id)) wrong('lost', `${id} is not in the list`);
  }
};
