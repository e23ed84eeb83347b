import {
  conversationTopics,
  DeadLetterHeader,
  deadLettersIn,
  deadLetterTopic,
  parkMarkTopic,
  retriedUptoHeader,
  tenantHeader,
} from '@caas/event-log';
import { chunksOf } from '@caas/kit';
import { maxPrivacyPerCall } from '@caas/privacy-store';
import type { PrivacyCore } from './core.ts';

/** Conversations of a tenant that are parked, or have records that were kept back and not sent again. */
const waitingForOperator = async ({ log }: Pick<PrivacyCore, 'log'>, tenantId: string): Promise<string[]> => {
  const waiting = new Set<string>();
  const retried = new Map<string, Record<string, number>>();
  for await (const { key, headers } of deadLettersIn(log, parkMarkTopic)) {
    if (headers[tenantHeader] !== tenantId) continue;
    const kind = headers[DeadLetterHeader.kind];
    if (kind === 'parked') waiting.add(key);
    if (kind === 'resumed') waiting.delete(key);
    if (kind === 'retried') retried.set(key, JSON.parse(headers[retriedUptoHeader] ?? '{}'));
  }
  for (const topic of conversationTopics.map(deadLetterTopic))
    for await (const { key, headers, offset } of deadLettersIn(log, topic)) {
      if (headers[tenantHeader] !== tenantId || headers[DeadLetterHeader.kind] !== 'kept-back') continue;
      if (offset >= (retried.get(key)?.[topic] ?? 0)) waiting.add(key);
    }
  return [...waiting];
};

/**
 * Whether something of a user waits for an operator: what they did in a parked conversation is not in the store, comes there
 * when it is sent again, and until then nothing of theirs there can be made a tombstone.
 */
export const isParkedFor = async (
  core: Pick<PrivacyCore, 'log' | 'messages'>,
  tenantId: string,
  userId: string,
): Promise<boolean> => {
  for (const chunk of chunksOf(await waitingForOperator(core, tenantId), maxPrivacyPerCall)) {
    const keys = chunk.map((conversationId) => ({ tenantId, conversationId, userId }));
    if ((await core.messages.participants.getMany(keys)).some((participant) => participant !== undefined)) return true;
  }
  return false;
};
