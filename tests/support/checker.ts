import { createHash } from 'node:crypto';
import type { Broken, Entry, SeenMessage, View } from './history.ts';

export interface Violation {
  broken: Broken;
  what: string;
}

interface Sent {
  client: string;
  conversation: string;
  ordinal: number;
  text: string;
  messageId?: string;
}

interface List {
  client: string;
  view: View;
  conversation: string;
  messages: SeenMessage[];
  head?: { lastSeq: number; digest: string };
}

/** More of a kind are counted, not listed. */
const maxListed = 5;

/** `d(n) = first 8 bytes of SHA-256(d(n−1) ‖ message_id(n))`, computed here anew so that no code is shared with what is checked. */
export const digestOf = (messageIds: readonly string[]): string => {
  let digest: Buffer = Buffer.alloc(8);
  for (const id of messageIds) digest = createHash('sha256').update(digest).update(id, 'ascii').digest().subarray(0, 8);
  return digest.toString('hex');
};

/**
 * Judges what all clients recorded of a run, after it. Every message is followed by its content and id, never by counts:
 * a lost one and a doubled one do not make up for each other. Where lists could not be read in the end that is said, and what
 * there is is judged.
 */
export const check = (entries: readonly Entry[]): Violation[] => {
  const report = new Report();
  const sent = sendsOf(entries, report);
  const changed = changedIn(entries);
  const members = new Set<string>();
  const unread = entries.filter((entry) => entry.event === 'unjudged');
  for (const { what } of unread) report.add('unjudged', what);
  const lists = new Map<string, List>();
  const listOf = (client: string, view: View, conversation: string): List => {
    const name = `${client} ${view} ${conversation}`;
    const list = lists.get(name) ?? { client, view, conversation, messages: [] };
    lists.set(name, list);
    return list;
  };
  for (const entry of entries) {
    if (entry.event === 'member') members.add(`${entry.client} ${entry.conversation}`);
    if (entry.event === 'held') listOf(entry.client, entry.view, entry.conversation).messages.push(entry);
    if (entry.event === 'head')
      listOf(entry.client, entry.view, entry.conversation).head = { lastSeq: entry.lastSeq, digest: entry.digest };
  }
  const first = new Map<string, List>();
  for (const list of lists.values()) {
    // Broken off in the middle.
    if (unread.length > 0 && !list.head) continue;
    if (!members.has(`${list.client} ${list.conversation}`))
      report.add('foreign', `${nameOf(list)} is not a conversation of this user`);
    checkList(list, sent, changed, report);
    const model = first.get(list.conversation);
    if (model) checkSame(model, list, report);
    else first.set(list.conversation, list);
  }
  for (const membership of members) {
    const [client, conversation] = membership.split(' ') as [string, string];
    for (const view of ['live', 'history'] as const)
      if (unread.length === 0 && !lists.get(`${client} ${view} ${conversation}`)?.head)
        report.add('lost', `${client} has no ${view} list of ${conversation}`);
  }
  checkLive(entries, first, report);
  return report.violations();
};

const keyOf = (client: string, conversation: string, clientMsgId: string): string =>
  `${client} ${conversation} ${clientMsgId}`;

const keyOfSend = (e: { client: string; conversation: string; clientMsgId: string }): string =>
  keyOf(e.client, e.conversation, e.clientMsgId);

/** What may become of sends that were recorded so. */
const refusals = { conflicting: 'IDEMPOTENCY_CONFLICT', banned: 'CONTENT_REJECTED' } as const;

const sendsOf = (entries: readonly Entry[], report: Report): Map<string, Sent> => {
  const sent = new Map<string, Sent>();
  const refusable = new Map(
    entries.flatMap((e) =>
      e.event === 'conflicting' || e.event === 'banned' ? [[keyOfSend(e), refusals[e.event]] as const] : [],
    ),
  );
  const rejected = new Set<string>();
  for (const entry of entries) {
    if (entry.event === 'sending') sent.set(keyOf(entry.client, entry.conversation, entry.clientMsgId), { ...entry });
    if (entry.event === 'failed' && refusable.get(keyOfSend(entry)) === entry.reason) rejected.add(keyOfSend(entry));
    else if (entry.event === 'failed') report.add('send', `${entry.clientMsgId} was refused: ${entry.reason}`);
    if (entry.event !== 'accepted') continue;
    const send = sent.get(keyOf(entry.client, entry.conversation, entry.clientMsgId));
    if (!send) report.add('send', `${entry.clientMsgId} was accepted and never sent`);
    else if (send.messageId !== undefined && send.messageId !== entry.messageId)
      report.add('send', `${entry.clientMsgId} is both ${send.messageId} and ${entry.messageId}`);
    else send.messageId = entry.messageId;
  }
  for (const [key, reason] of refusable)
    if (reason === 'IDEMPOTENCY_CONFLICT' && !rejected.has(key))
      report.add('send', `${key} was accepted with other words and not rejected`);
  return sent;
};

const nameOf = ({ client, view, conversation }: List): string => `${view} list of ${client} in ${conversation}`;

/** Messages that an edit or a deletion was tried on: what they say is judged by the acts. */
const changedIn = (entries: readonly Entry[]): Set<string> => {
  const changed = new Set<string>();
  for (const entry of entries)
    if (entry.event === 'act' && (entry.act.kind === 'edit' || entry.act.kind === 'delete'))
      changed.add(entry.act.messageId);
  return changed;
};

const checkList = (list: List, sent: ReadonlyMap<string, Sent>, changed: ReadonlySet<string>, report: Report): void => {
  const { messages, head, conversation } = list;
  const name = nameOf(list);
  const ids = new Set<string>();
  const ordinals = new Map<string, number>();
  let [lastSeq, lastPosition] = [0, -1];
  for (const message of messages) {
    const { seq, position, messageId, sender, clientMsgId, text } = message;
    if (ids.has(messageId)) report.add('duplicated', `${name}: ${messageId} at seq ${seq} again`);
    ids.add(messageId);
    if (seq > lastSeq + 1) report.add('gap', `${name}: ${seq} after ${lastSeq}`);
    if (seq <= lastSeq) report.add('order', `${name}: ${seq} after ${lastSeq}`);
    if (position <= lastPosition)
      report.add('order', `${name}: position ${position} of seq ${seq} after ${lastPosition}`);
    [lastSeq, lastPosition] = [seq, position];
    const send = sent.get(keyOf(sender, conversation, clientMsgId));
    if (!send) {
      const elsewhere = [...sent.values()].some((other) => other.messageId === messageId || other.text === text);
      report.add(elsewhere ? 'foreign' : 'content', `${name}: ${messageId} was not sent to it`);
      continue;
    }
    if (send.text !== text && !changed.has(messageId))
      report.add('content', `${name}: ${messageId} says something else than was sent`);
    if (send.messageId !== undefined && send.messageId !== messageId)
      report.add('content', `${name}: ${clientMsgId} is ${messageId}, accepted as ${send.messageId}`);
    if (send.ordinal <= (ordinals.get(sender) ?? 0))
      report.add('sender-order', `${name}: message ${send.ordinal} of ${sender} after ${ordinals.get(sender)}`);
    ordinals.set(sender, send.ordinal);
  }
  for (const [key, { conversation: where, messageId }] of sent)
    if (where === conversation && messageId !== undefined && !ids.has(messageId))
      report.add('lost', `${name}: ${key} was accepted as ${messageId}`);
  if (!head) return;
  if (head.lastSeq !== messages.length)
    report.add('gap', `${name}: head at ${head.lastSeq} with ${messages.length} messages`);
  const digest = digestOf(messages.map((m) => m.messageId));
  if (digest !== head.digest) report.add('digest', `${name}: ${head.digest}, the list gives ${digest}`);
};

const checkSame = (a: List, b: List, report: Report): void => {
  const at = a.messages.findIndex((m, i) => b.messages[i]?.messageId !== m.messageId);
  if (at >= 0 || a.messages.length !== b.messages.length)
    report.add('order', `${nameOf(a)} and ${nameOf(b)} differ from index ${at}`);
  if (a.head?.digest !== b.head?.digest) report.add('digest', `${nameOf(a)} and ${nameOf(b)} have other digests`);
};

/** What was told live: in seq order without gaps since the last reset, each message once and where it is in the end. */
const checkLive = (entries: readonly Entry[], final: ReadonlyMap<string, List>, report: Report): void => {
  const last = new Map<string, number>();
  const told = new Set<string>();
  for (const entry of entries) {
    if (entry.event !== 'committed' && entry.event !== 'reset') continue;
    const name = `${entry.client} ${entry.conversation}`;
    if (entry.event === 'reset') {
      last.delete(name);
      continue;
    }
    const { seq, messageId, conversation } = entry;
    const before = last.get(name);
    if (before !== undefined && seq > before + 1) report.add('gap', `${name} was told ${seq} after ${before}`);
    if (before !== undefined && seq <= before) report.add('order', `${name} was told ${seq} after ${before}`);
    last.set(name, seq);
    if (told.has(`${name} ${messageId}`)) report.add('duplicated', `${name} was told ${messageId} twice`);
    told.add(`${name} ${messageId}`);
    const end = final.get(conversation);
    // That there is none is told by itself.
    if (!end) continue;
    const there = end.messages[seq - 1];
    if (there?.messageId !== messageId)
      report.add('order', `${name} was told ${messageId} as ${seq}, which is ${there?.messageId} in the end`);
  }
};

class Report {
  readonly #found = new Map<Broken, string[]>();

  add(broken: Broken, what: string): void {
    const list = this.#found.get(broken);
    if (list) list.push(what);
    else this.#found.set(broken, [what]);
  }

  violations(): Violation[] {
    return [...this.#found].flatMap(([broken, all]) => [
      ...all.slice(0, maxListed).map((what) => ({ broken, what })),
      ...(all.length > maxListed ? [{ broken, what: `and ${all.length - maxListed} more` }] : []),
    ]);
  }
}
