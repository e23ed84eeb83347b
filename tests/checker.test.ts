import { describe, expect, test } from '@jest/globals';
import { check, digestOf } from './support/checker.ts';
import type { Broken, Entry, SeenMessage, View } from './support/history.ts';

const clients = ['ann', 'bob'];

/** What two users record who send three messages each to one conversation, and one to another, and nothing goes wrong. */
const aRun = (): { entries: Entry[]; held: (client: string, view: View) => SeenMessage[] } => {
  const entries: Entry[] = [];
  const said = (client: string, conversation: string, ordinal: number) => ({
    conversation,
    clientMsgId: `${client}-${ordinal}`,
    text: `${client} says ${ordinal} in ${conversation}`,
  });
  const order: SeenMessage[] = [];
  for (const client of clients) entries.push({ client, event: 'member', conversation: 'c' });
  for (const ordinal of [1, 2, 3])
    for (const client of clients) {
      const send = said(client, 'c', ordinal);
      const messageId = `id-${send.clientMsgId}`;
      entries.push({ client, event: 'sending', ordinal, ...send });
      entries.push({
        client,
        event: 'accepted',
        conversation: 'c',
        clientMsgId: send.clientMsgId,
        messageId,
      });
      order.push({ ...send, sender: client, messageId, seq: order.length + 1, position: 10 * order.length });
    }
  const digest = digestOf(order.map((m) => m.messageId));
  for (const client of clients) {
    entries.push({ client, event: 'reset', conversation: 'c' });
    for (const message of order) entries.push({ client, event: 'committed', ...message });
    for (const view of ['live', 'history'] as const) {
      for (const message of order) entries.push({ client, event: 'held', view, ...message });
      entries.push({ client, event: 'head', view, conversation: 'c', lastSeq: order.length, digest });
    }
  }
  // A message of another conversation, that nobody of this one sees.
  entries.push({ client: 'ann', event: 'member', conversation: 'd' });
  const other = said('ann', 'd', 1);
  entries.push({ client: 'ann', event: 'sending', ordinal: 1, ...other });
  const id = { messageId: 'id-d', conversation: 'd', clientMsgId: other.clientMsgId };
  entries.push({ client: 'ann', event: 'accepted', ...id });
  for (const view of ['live', 'history'] as const) {
    entries.push({
      client: 'ann',
      event: 'held',
      view,
      ...other,
      sender: 'ann',
      messageId: 'id-d',
      seq: 1,
      position: 5,
    });
    entries.push({ client: 'ann', event: 'head', view, conversation: 'd', lastSeq: 1, digest: digestOf(['id-d']) });
  }
  const held = (client: string, view: View): SeenMessage[] =>
    entries.filter(
      (e): e is Extract<Entry, { event: 'held' }> =>
        e.event === 'held' && e.client === client && e.view === view && e.conversation === 'c',
    );
  return { entries, held };
};

/** Makes lists of Bob's what `change` makes of them, digests and all, as a server that believes them would. */
const withBobs = (
  change: (list: SeenMessage[]) => SeenMessage[],
  { believed = true, of = ['bob'] as readonly string[] } = {},
): Entry[] => {
  const { entries, held } = aRun();
  let result = entries;
  for (const client of of)
    for (const view of ['live', 'history'] as const) {
      const list = change(held(client, view).map((m) => ({ ...m })));
      const kept = result.filter(
        (e) =>
          !(
            (e.event === 'held' || e.event === 'head') &&
            e.client === client &&
            e.view === view &&
            e.conversation === 'c'
          ),
      );
      const digest = digestOf((believed ? list : held(client, view)).map((m) => m.messageId));
      result = [
        ...kept,
        ...list.map((m): Entry => ({ ...m, client, event: 'held', view, conversation: 'c' })),
        { client, event: 'head', view, conversation: 'c', lastSeq: list.length, digest },
      ];
    }
  return result;
};

const brokenIn = (entries: readonly Entry[]): Broken[] => [...new Set(check(entries).map((v) => v.broken))];
const renumbered = (list: SeenMessage[]): SeenMessage[] => list.map((m, i) => ({ ...m, seq: i + 1, position: 10 * i }));
const swapped = (list: SeenMessage[], a: number, b: number): SeenMessage[] => {
  const copy = [...list];
  [copy[a], copy[b]] = [copy[b] as SeenMessage, copy[a] as SeenMessage];
  return copy;
};

describe('the checker', () => {
  test('finds nothing in a run in which nothing went wrong', () => {
    expect(check(aRun().entries)).toEqual([]);
  });

  test('takes other words under a used id for settled where their rejection was told, and only there', () => {
    const used = { client: 'ann', conversation: 'c', clientMsgId: 'ann-1' };
    const conflict: Entry = { ...used, event: 'conflicting' };
    const rejection: Entry = { ...used, event: 'failed', reason: 'IDEMPOTENCY_CONFLICT' };
    const { entries } = aRun();
    expect(brokenIn([...entries, conflict, rejection])).toEqual([]);
    expect(brokenIn([...entries, conflict])).toEqual(['send']);
    expect(brokenIn([...entries, rejection])).toEqual(['send']);
    expect(brokenIn([...entries, conflict, { ...rejection, reason: 'FORBIDDEN' }])).toEqual(['send']);
  });

  test('lets what may be banned be rejected for that, and for nothing else', () => {
    const used = { client: 'ann', conversation: 'c', clientMsgId: 'ann-b' };
    const banned: Entry = { ...used, event: 'banned' };
    const rejection: Entry = { ...used, event: 'failed', reason: 'CONTENT_REJECTED' };
    const { entries } = aRun();
    expect(brokenIn([...entries, banned, rejection])).toEqual([]);
    expect(brokenIn([...entries, rejection])).toEqual(['send']);
    expect(brokenIn([...entries, banned, { ...rejection, reason: 'FORBIDDEN' }])).toEqual(['send']);
  });

  test('says that it could not judge where lists could not be read, and judges those that could', () => {
    const unread: Entry = { client: 'ann', event: 'unjudged', what: 'the store is away' };
    const ofBob = (e: Entry): boolean => e.client === 'bob' && (e.event === 'held' || e.event === 'head');
    const without = (entries: readonly Entry[], gone: (e: Entry) => boolean): Entry[] => [
      ...entries.filter((e) => !gone(e)),
      unread,
    ];
    const { entries } = aRun();
    expect(brokenIn(without(entries, (e) => e.event === 'held' || e.event === 'head'))).toEqual(['unjudged']);
    expect(brokenIn(without(entries, (e) => ofBob(e) && 'view' in e && e.view === 'history'))).toEqual(['unjudged']);
    const halfRead = without(entries, (e) => ofBob(e) && (e.event === 'head' || ('seq' in e && e.seq > 3)));
    expect(brokenIn(halfRead)).toEqual(['unjudged']);
    const annLost = withBobs((list) => renumbered(list.slice(0, -1)), { of: ['ann'] });
    expect(brokenIn(without(annLost, ofBob))).toEqual(['unjudged', 'lost', 'order']);
    expect(brokenIn(entries.filter((e) => !ofBob(e)))).toContain('lost');
  });

  test.each<[string, Broken, Entry[]]>([
    ['a message that one client lost', 'lost', withBobs((list) => renumbered(list.slice(0, -1)))],
    ['a message that all lost alike', 'lost', withBobs((list) => renumbered(list.slice(1)), { of: clients })],
    [
      'a lost message whose place a doubled one took',
      'lost',
      withBobs((list) => renumbered([...list.slice(0, -1), list[0] as SeenMessage]), { of: clients }),
    ],
    [
      'a message that is there twice',
      'duplicated',
      withBobs((list) => renumbered([...list, list[2] as SeenMessage]), { of: clients }),
    ],
    ['two messages that changed places for one client', 'order', withBobs((list) => renumbered(swapped(list, 0, 1)))],
    ['an order that is not that of the log', 'order', withBobs((list) => swapped(list, 2, 3), { of: clients })],
    [
      'one sender’s messages in another order than sent',
      'sender-order',
      withBobs((list) => renumbered(swapped(list, 0, 2)), { of: clients }),
    ],
    [
      'a message of another conversation',
      'foreign',
      withBobs((list) =>
        renumbered([
          ...list,
          { ...(list[0] as SeenMessage), messageId: 'id-d', clientMsgId: 'ann-9', text: 'ann says 1 in d' },
        ]),
      ),
    ],
    [
      'a message nobody sent',
      'content',
      withBobs((list) =>
        renumbered([...list, { ...(list[0] as SeenMessage), messageId: 'x', clientMsgId: 'x', text: 'x' }]),
      ),
    ],
    [
      'a message that says something else',
      'content',
      withBobs((list) => list.map((m, i) => (i === 3 ? { ...m, text: 'else' } : m)), { of: clients }),
    ],
    [
      'a seq left out',
      'gap',
      withBobs((list) => list.map((m) => (m.seq > 3 ? { ...m, seq: m.seq + 1 } : m)), { of: clients }),
    ],
    [
      'a digest that is not of the list',
      'digest',
      withBobs((list) => renumbered(list.slice(0, -1)), { believed: false, of: clients }),
    ],
    [
      'a list of somebody who is not a member',
      'foreign',
      aRun().entries.filter((e) => !(e.event === 'member' && e.client === 'bob')),
    ],
    ['a list that is missing', 'lost', aRun().entries.filter((e) => !(e.event === 'head' && e.client === 'bob'))],
    [
      'a retry that became another message',
      'send',
      [
        ...aRun().entries,
        { client: 'ann', event: 'accepted', conversation: 'c', clientMsgId: 'ann-1', messageId: 'another' },
      ],
    ],
    [
      'a send that was refused',
      'send',
      [
        ...aRun().entries,
        { client: 'ann', event: 'failed', conversation: 'c', clientMsgId: 'ann-1', reason: 'INTERNAL' },
      ],
    ],
    [
      'a message that was told live before the one before it',
      'gap',
      aRun().entries.filter((e) => !(e.event === 'committed' && e.client === 'bob' && e.seq === 3)),
    ],
    [
      'a message that was told live twice',
      'duplicated',
      aRun().entries.flatMap((e) => (e.event === 'committed' && e.client === 'bob' && e.seq === 6 ? [e, e] : [e])),
    ],
  ])('names %s', (_, broken, entries) => {
    expect(brokenIn(entries)).toContain(broken);
  });
});
