import type { Conversation } from '@caas/client';
import { DemoError } from './demo-error.ts';
import { showPicture } from './picture.ts';
import type { Sent, Side } from './side.ts';
import type { Table } from './table.ts';

/** What became of the talk. */
export interface Talk {
  /** Every send, in the order made. */
  readonly sent: readonly Sent[];
  /** Both sides' view of the conversation, in the order of the sides. */
  readonly views: readonly [Conversation, Conversation];
  /** Messages of the conversation before this talk. */
  readonly before: number;
}

const turns = 10;

/**
 * Two users in a direct conversation: they write in turn, edit, react and read; one is cut off and comes back. `disturb`
 * comes in the middle of the first messages.
 */
export const talk = async (alice: Side, bob: Side, table: Table, disturb?: () => Promise<string>): Promise<Talk> => {
  const { conversation } = await alice.client.createConversation({ kind: 'DIRECT', memberIds: [bob.userId] });
  const { conversationId } = conversation;
  const views = [alice.client.conversation(conversationId), bob.client.conversation(conversationId)] as const;
  await alice.until('the conversation', () => views[0].isLoaded);
  await bob.until('the conversation', () => views[1].isLoaded);
  const before = views[0].head.lastSeq;
  const sent: Sent[] = [];
  const sides = [alice, bob] as const;
  const allCommitted = async (): Promise<void> => {
    for (const [i, side] of sides.entries()) {
      const view = views[i] as Conversation;
      await side.until(`message #${before + sent.length}`, () => view.head.lastSeq >= before + sent.length);
    }
  };

  table.section(`Ten messages in turn, conversation ${conversationId}`);
  for (let i = 0; i < turns; i++) {
    if (disturb && i === turns / 2) table.section(`  ${await disturb()}\n`);
    const [from, to] = i % 2 === 0 ? sides : ([bob, alice] as const);
    const message = await from.send(views[i % 2] as Conversation, `${from.name} says ${i + 1}`);
    sent.push(message);
    await to.until(`"${message.text}"`, () => to.seenAtMs.has(message.messageId));
  }
  await allCommitted();

  table.section('An edit, a reaction, read receipts');
  const first = sent[0] as Sent;
  const seen = (view: Conversation) => view.messages().find(({ messageId }) => messageId === first.messageId);
  await alice.client.editMessage(conversationId, first.messageId, { text: 'alice says 1, edited' });
  for (const [i, side] of sides.entries())
    await side.until('the edit', () => seen(views[i] as Conversation)?.content?.text === 'alice says 1, edited');
  await bob.client.setReaction(conversationId, first.messageId, '👍');
  for (const [i, side] of sides.entries())
    await side.until('the reaction', () => seen(views[i] as Conversation)?.reactions[0]?.userIds[0] === bob.userId);
  const readUpTo = views[0].head.lastSeq;
  await Promise.all(views.map((view) => view.markRead()));
  for (const [i, side] of sides.entries()) {
    const others = sides[1 - i] as Side;
    const view = views[i] as Conversation;
    const readSeq = () => view.participants.find(({ userId }) => userId === others.userId)?.readSeq ?? 0;
    await side.until(`the receipt of ${others.name}`, () => readSeq() >= readUpTo);
  }

  table.section('A picture, found by an English and by a Korean word');
  sent.push(await showPicture(alice, bob, views[0]));

  table.section("Bob's connection is cut; alice goes on; bob comes back by sync");
  const deltasBefore = bob.client.stats().resyncs;
  bob.cut();
  for (const text of ['alice says 11, bob is away', 'alice says 12, bob is away'])
    sent.push(await alice.send(views[0], text));
  bob.client.wake();
  await bob.until('his connection', () => bob.client.state === 'online' && bob.client.stats().reconnects === 1);
  await allCommitted();
  const deltas = bob.client.stats().resyncs - deltasBefore;
  if (deltas === 0) throw new DemoError('bob has what was said without a sync: he was not away');
  bob.tell(`synced: ${deltas} ${deltas === 1 ? 'delta' : 'deltas'} since his cursor`);
  return { sent, views, before };
};
