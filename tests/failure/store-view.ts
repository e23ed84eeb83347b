import { join } from 'node:path';
import { KeyRing, type KeySource, readContents } from '@caas/compliance-client/keys';
import { createLogger } from '@caas/kit/log';
import { type MessageStore, maxDocumentsPerCall } from '@caas/message-store';
import { Recorder, reactionsOf } from '../support/history.ts';
import type { Fleet } from './fleet.ts';

/** A store with the keys of what is sealed in it. */
export interface StoreView {
  readonly store: MessageStore;
  readonly keys: KeySource;
}

/** Writes down what the documents of the store say of every conversation of a fleet, in the name of each first member. */
export const recordStore = async ({ store, keys }: StoreView, fleet: Fleet, dir: string): Promise<void> => {
  const logger = createLogger({ service: 'failure', level: 'silent' });
  const ring = new KeyRing({ source: keys, holder: 'failure suite', logger });
  const stopping = new AbortController();
  const following = ring.run(stopping.signal);
  try {
    await record(store, ring, fleet, dir);
  } finally {
    stopping.abort();
    await following;
  }
};

const record = async (store: MessageStore, ring: KeyRing, fleet: Fleet, dir: string): Promise<void> => {
  const { tenantId } = fleet;
  const recorder = new Recorder(join(dir, `${tenantId}-store.jsonl`), 'store');
  const firstMembers = new Map<string, string>();
  for (const { userId, conversations } of fleet.members)
    for (const id of conversations) if (!firstMembers.has(id)) firstMembers.set(id, userId);
  for (const [conversationId, client] of firstMembers) {
    const key = { tenantId, conversationId };
    const [document] = await store.conversations.getMany([key]);
    const { lastSeq = 0, digest = '' } = document ?? {};
    for (let fromSeq = 1; fromSeq <= lastSeq; fromSeq += maxDocumentsPerCall) {
      const toSeq = Math.min(lastSeq, fromSeq + maxDocumentsPerCall - 1);
      const page = await store.messages.page(key, { fromSeq, toSeq, limit: maxDocumentsPerCall, from: 'oldest' });
      const contents = await readContents(ring, page);
      for (const [i, message] of page.entries()) {
        const content = contents[i];
        const { seq, position, messageId, clientMsgId, senderId: sender } = message;
        const seen = {
          conversation: conversationId,
          seq,
          position,
          messageId,
          sender,
          clientMsgId,
          text: typeof content === 'string' ? content : (content?.text ?? ''),
        };
        recorder.write({ client, event: 'held', view: 'store', ...seen, reactions: reactionsOf(message.reactions) });
      }
    }
    recorder.write({ client, event: 'head', view: 'store', conversation: conversationId, lastSeq, digest });
  }
  for (const { userId, conversations } of fleet.members) {
    const keys = conversations.map((conversationId) => ({ tenantId, conversationId, userId }));
    for (const participant of await store.participants.getMany(keys))
      if (participant)
        recorder.write({
          client: userId,
          event: 'read',
          conversation: participant.conversationId,
          seq: participant.readSeq,
        });
  }
  await recorder.close();
};
