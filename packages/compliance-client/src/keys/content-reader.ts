import type { MessageContent, PlainContent } from '@caas/proto/caas/events/v1/content';
import type { HeldKey } from './held-keys.ts';
import type { KeyRing } from './key-ring.ts';
import { type ContentPlace, openContent } from './sealed-content.ts';

/** Content where it stands, as events and documents have it. */
export interface StandingContent extends ContentPlace {
  content?: MessageContent | undefined;
}

/** What content says; 'unreadable': nobody can tell any more, for its key is destroyed or it was changed; undefined: nothing. */
export type ReadContent = PlainContent | 'unreadable' | undefined;

type Keys = (tenantId: string, keyId: string) => HeldKey | 'destroyed' | 'unknown' | undefined;

const readWith = (standing: StandingContent, keys: Keys): ReadContent | 'no key' => {
  const body = standing.content?.body;
  if (body?.$case !== 'sealed') return body?.value;
  const key = keys(standing.tenantId, body.value.keyId);
  if (key === undefined) return 'no key';
  if (typeof key === 'string') return 'unreadable';
  return openContent(key, body.value, standing) ?? 'unreadable';
};

/** Reads content with the keys in hand; undefined for all of it when one is not. */
export const readHeldContents = (ring: KeyRing, items: readonly StandingContent[]): ReadContent[] | undefined => {
  const read: ReadContent[] = [];
  for (const item of items) {
    const content = readWith(item, (tenantId, keyId) => ring.heldById(tenantId, keyId));
    if (content === 'no key') return undefined;
    read.push(content);
  }
  return read;
};

/**
 * Reads content, asking for all keys that are not in hand at once. Rejects UNAVAILABLE when they can't be had: what can't be
 * read now is never told as unreadable.
 */
export const readContents = async (ring: KeyRing, items: readonly StandingContent[]): Promise<ReadContent[]> => {
  const wanted = new Map<string, Set<string>>();
  for (const { tenantId, content } of items) {
    if (content?.body?.$case !== 'sealed') continue;
    const ids = wanted.get(tenantId) ?? new Set();
    wanted.set(tenantId, ids.add(content.body.value.keyId));
  }
  const outcomes = new Map(
    await Promise.all([...wanted].map(async ([tenantId, ids]) => [tenantId, await ring.open(tenantId, ids)] as const)),
  );
  return items.map((item) => {
    const content = readWith(item, (tenantId, keyId) => outcomes.get(tenantId)?.get(keyId) ?? 'unknown');
    return content === 'no key' ? 'unreadable' : content;
  });
};
