import { afterEach, describe, expect, test } from '@jest/globals';
import { emptyDigest, nextDigest } from './digest.ts';
import { anOnlineClient, closeClients } from './testing/a-client.ts';
import { settled } from './testing/fake-clock.ts';

afterEach(closeClients);

const headOf = (rev: number, lastPosition: number, ids: string[]) => ({
  conversationId: 'c',
  headRev: rev,
  prevHeadRev: Math.max(0, rev - 1),
  lastSeq: ids.length,
  lastPosition,
  digest: ids.reduce(nextDigest, emptyDigest),
});
const other = (seq: number, position: number) => ({
  messageId: `other${seq}`,
  conversationId: 'c',
  senderId: 'you',
  seq,
  rev: seq,
  position,
});
const rejected = (position: number, reason = 'ERROR_REASON_CONTENT_REJECTED') => ({
  rejected: { conversationId: 'c', messageId: 'mine', clientMsgId: 'x', position, error: { reason } },
});

/** An open conversation in which one's own message was accepted at position 5. */
const sent = async () => {
  const all = await anOnlineClient();
  const conversation = all.client.conversation('c');
  await settled();
  const delta = { conversationId: 'c', head: headOf(0, 0, []), cursor: 'x' };
  await all.socket(0).answer('sync', { reply: { sync: { deltas: [delta] } } });
  const failed: string[] = [];
  all.client.on('failed', (f) => failed.push(`${f.messageId} ${f.clientMsgId} ${f.error.reason}`));
  const send = async () => {
    const accepted = conversation.send('hi', { clientMsgId: 'x' });
    await settled();
    await all.socket(0).answer('sendMessage', { reply: { accepted: { messageId: 'mine', position: 5 } } });
    await accepted;
  };
  /** The node tells of a head without it, and answers the sync that follows. */
  const decided = async (fields: object = {}) => {
    await all.socket(0).event({ head: headOf(1, 9, ['other1']) });
    await all.clock.pass(2_000);
    const answer = { conversationId: 'c', head: headOf(1, 9, ['other1']), cursor: 'y', messages: [other(1, 9)] };
    await all.socket(0).answer('sync', { reply: { sync: { deltas: [{ ...answer, ...fields }] } } });
  };
  const statuses = () => conversation.items().map((i) => `${i.status} ${i.error?.reason ?? ''}`.trim());
  return { ...all, conversation, failed, send, decided, statuses, node: all.socket(0) };
};

describe("one's own message that was not applied", () => {
  test('fails once when a sync shows it is missing, and the event that comes later only says why', async () => {
    const { failed, send, decided, statuses, node } = await sent();
    await send();
    await decided();
    expect(failed).toEqual(['mine x FAILED_PRECONDITION']);
    expect(statuses()).toEqual(['committed', 'failed FAILED_PRECONDITION']);
    await node.event(rejected(5));
    expect(failed.length).toBe(1);
    expect(statuses()).toEqual(['committed', 'failed CONTENT_REJECTED']);
  });

  test('fails once when the event comes before the answer to the send, with the reason it gave', async () => {
    const { failed, send, decided, statuses, node } = await sent();
    await node.event(rejected(5));
    await send();
    await decided();
    expect(failed).toEqual(['mine x CONTENT_REJECTED']);
    expect(statuses()).toEqual(['committed', 'failed CONTENT_REJECTED']);
  });

  test('fails when the answer to the send comes after the decision', async () => {
    const { failed, send, decided, statuses } = await sent();
    await decided();
    await send();
    expect(failed).toEqual(['mine x FAILED_PRECONDITION']);
    expect(statuses()).toEqual(['committed', 'failed FAILED_PRECONDITION']);
  });

  test('fails again when it is sent again and refused again', async () => {
    const { failed, send, decided, node } = await sent();
    await send();
    await decided();
    await node.event(rejected(12));
    expect(failed).toEqual(['mine x FAILED_PRECONDITION', 'mine x CONTENT_REJECTED']);
  });

  test('does not fail when it may be committed before what is kept here', async () => {
    const { conversation, failed, send, decided } = await sent();
    await send();
    const digest = nextDigest(emptyDigest, 'mine');
    const head = { ...headOf(7, 9, ['mine', 'other2']) };
    const limited = { conversationId: 'c', startSeq: 1, startDigest: digest };
    await decided({ head, limited, messages: [other(2, 9)] });
    expect([failed, conversation.head.lastSeq]).toEqual([[], 2]);
  });
});

test('a message of somebody else that was not applied goes without a word', async () => {
  const { conversation, failed, decided, node } = await sent();
  await node.event({ message: { messageId: 'theirs', conversationId: 'c', senderId: 'you', position: 3 } });
  await decided();
  expect(failed).toEqual([]);
  expect(conversation.items().map((i) => i.status)).toEqual(['committed']);
});
