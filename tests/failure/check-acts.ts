import type { Violation } from '../support/checker.ts';
import type { Act, Entry } from '../support/history.ts';

type Done = Extract<Entry, { event: 'act' }>;
type Held = Extract<Entry, { event: 'held' }>;

/** What acts on a message or by a user, in the order they were done in. A user does one thing at a time. */
const group = <K extends Act['kind']>(
  entries: readonly Entry[],
  kind: K,
  keyOf: (act: Extract<Act, { kind: K }>, by: Done) => string,
) => {
  const groups = new Map<string, { by: Done; act: Extract<Act, { kind: K }> }[]>();
  for (const by of entries) {
    if (by.event !== 'act' || by.act.kind !== kind || by.outcome === 'refused') continue;
    const act = by.act as Extract<Act, { kind: K }>;
    const key = keyOf(act, by);
    groups.set(key, [...(groups.get(key) ?? []), { by, act }]);
  }
  return groups;
};

/** What may hold in the end: the last that was accepted, and whatever got no answer, which may come late. */
const possible = <T>(done: readonly { by: Done; value: T }[], initial: T): T[] => {
  const accepted = done.findLastIndex(({ by }) => by.outcome === 'accepted');
  const unanswered = done.filter(({ by }) => by.outcome === 'unknown').map(({ value }) => value);
  return [accepted < 0 ? initial : (done[accepted] as { value: T }).value, ...unanswered];
};

/** Judges edits, deletions, reactions and receipts: accepted is done, and all lists say the same of a message. */
export const checkActs = (entries: readonly Entry[]): Violation[] => {
  const violations: Violation[] = [];
  const report = (broken: Violation['broken'], what: string): void => void violations.push({ broken, what });
  const held = new Map<string, Held[]>();
  const texts = new Map<string, string>();
  for (const entry of entries) {
    if (entry.event === 'sending') texts.set(`${entry.client} ${entry.conversation} ${entry.clientMsgId}`, entry.text);
    if (entry.event === 'held') held.set(entry.messageId, [...(held.get(entry.messageId) ?? []), entry]);
  }
  const edits = group(entries, 'edit', ({ messageId }) => messageId);
  const deletions = group(entries, 'delete', ({ messageId }) => messageId);
  const reacts = group(entries, 'react', ({ messageId, reaction }, { client }) => `${messageId} ${reaction} ${client}`);
  for (const [messageId, lists] of held) {
    const [first] = lists as [Held, ...Held[]];
    const nameOf = ({ view, client }: Held): string => `${messageId} in the ${view} list of ${client}`;
    for (const list of lists)
      if (list.text !== first.text || String(list.reactions) !== String(first.reactions))
        report(
          'act',
          `${nameOf(list)} is ${list.text} [${list.reactions}], in another ${first.text} [${first.reactions}]`,
        );
    const sent = texts.get(`${first.sender} ${first.conversation} ${first.clientMsgId}`) ?? first.text;
    const deleted = deletions.get(messageId) ?? [];
    const allowed = possible(
      (edits.get(messageId) ?? []).map(({ by, act }) => ({ by, value: act.text })),
      sent,
    );
    const isGone = first.text === '';
    if (deleted.some(({ by }) => by.outcome === 'accepted') ? !isGone : deleted.length === 0 && isGone)
      report('act', `${nameOf(first)} is ${isGone ? 'gone' : 'there'}, ${deleted.length} deletions`);
    if (!isGone && !allowed.includes(first.text)) report('act', `${nameOf(first)} says ${first.text}, not ${allowed}`);
  }
  for (const [key, done] of reacts) {
    const [messageId, reaction, client] = key.split(' ') as [string, string, string];
    const first = held.get(messageId)?.[0];
    // A tombstone has none.
    if (!first || first.text === '') continue;
    const present = first.reactions?.includes(`${reaction} ${client}`) ?? false;
    if (
      !possible(
        done.map(({ by, act }) => ({ by, value: act.present })),
        false,
      ).includes(present)
    )
      report('act', `${reaction} of ${client} on ${messageId} is ${present ? 'there' : 'not there'}`);
  }
  for (const { client, conversation, seq } of entries.filter((e) => e.event === 'read')) {
    const done = entries.filter(
      (e): e is Done =>
        e.event === 'act' && e.client === client && e.conversation === conversation && e.act.kind === 'read',
    );
    const accepted = done
      .filter(({ outcome }) => outcome === 'accepted')
      .map(({ act }) => (act as { seq: number }).seq);
    if (Math.max(0, ...accepted) > seq)
      report('act', `${client} has read ${Math.max(...accepted)} of ${conversation}, not ${seq}`);
  }
  return violations;
};
