import { reasonNumber } from '@caas/kit';
import type { Extent, SeqRange, Stretch } from '@caas/message-store';
import { ConversationKind, ParticipantState, Role } from '@caas/proto/caas/events/v1/content';
import { ConversationDocument, MessageDocument, ParticipantDocument } from '@caas/proto/caas/events/v1/documents';
import { Sync } from '@caas/proto/caas/socket/v1/commands';
import type { ConversationDelta } from '@caas/proto/caas/socket/v1/server_frames';
import { describe, expect, test } from '@jest/globals';
import { Contents } from '../delivery/contents.ts';
import { defaultBounds } from '../limits.ts';
import type { CommandContext } from './command.ts';
import { sync } from './sync.ts';

const { CONVERSATION_KIND_GROUP: group, CONVERSATION_KIND_CHANNEL: channel } = ConversationKind;
const { PARTICIPANT_STATE_ACTIVE: state } = ParticipantState;
const byRev = (a: { rev: number }, b: { rev: number }): number => a.rev - b.rev;

/** A conversation as the store holds it, and a member who syncs. */
class Room {
  head: ConversationDocument;
  messages: MessageDocument[] = [];
  participants: ParticipantDocument[] = [];
  visibleFromSeq = 1;
  /** What each message has in the store. */
  storedBytes = 1;
  /** Participations the store was asked to look through. */
  looked = 0;
  readonly #kind: ConversationKind;

  constructor(kind: ConversationKind, headRev: number, lastSeq: number) {
    this.#kind = kind;
    this.head = ConversationDocument.fromPartial({ conversationId: 'c', kind, headRev, lastSeq, membersRev: 1 });
    this.messages = Array.from({ length: lastSeq }, (_, i) =>
      MessageDocument.fromPartial({ messageId: `m${i + 1}`, seq: i + 1, rev: i + 2, digest: `d${i + 1}` }),
    );
  }

  /** How many messages fit in an extent, one at least. */
  #fitting({ limit, maxBytes = Number.POSITIVE_INFINITY }: Extent): number {
    return Math.max(1, Math.min(limit, Math.floor(maxBytes / this.storedBytes)));
  }

  participant(userId: string, rev: number, more: Partial<ParticipantDocument> = {}): void {
    const role = Role.ROLE_MEMBER;
    this.participants.push(ParticipantDocument.fromPartial({ conversationId: 'c', userId, state, role, rev, ...more }));
  }

  async ask(cursor = '', limit = 0): Promise<ConversationDelta> {
    const { messages, participants } = this;
    const since = <T extends { rev: number }>(all: T[], rev: number, limit: number): T[] =>
      all
        .filter((doc) => doc.rev > rev)
        .sort(byRev)
        .slice(0, limit);
    const conversation = { tenantId: 't', conversationId: 'c' };
    const member = { role: Role.ROLE_MEMBER, visibleFromSeq: this.visibleFromSeq };
    const rules = { kind: this.#kind, archived: false };
    const context = {
      connection: { claims: { tenantId: 't', userId: 'me' } },
      node: {
        bounds: defaultBounds,
        // Nothing is sealed here, so no key is asked for.
        contents: new Contents({} as never, false),
        directory: { member: async () => ({ conversation: { ...conversation, rules }, member }) },
        store: {
          conversations: { getMany: async () => [this.head] },
          messages: {
            changedSince: async (_: object, rev: number, lastSeq: number, extent: Extent): Promise<Stretch> => {
              const found = since(messages, rev, messages.length).filter((m) => m.seq <= lastSeq);
              const documents = found.slice(0, this.#fitting(extent));
              return { documents, more: documents.length < found.length };
            },
            page: async (_: object, range: SeqRange) => {
              const found = messages.filter(({ seq }) => seq >= range.fromSeq && seq <= range.toSeq);
              const count = this.#fitting(range);
              return range.from === 'oldest' ? found.slice(0, count) : found.slice(-count);
            },
            hiddenSince: async () => [],
            hiddenIn: async () => [],
            areHidden: async (keys: object[]) => keys.map(() => false),
          },
          participants: {
            getMany: async () => [participants.find(({ userId }) => userId === 'me')],
            changedSince: async (_: object, rev: number, max: number) => {
              const found = since(participants, rev, max);
              this.looked += found.length;
              return found;
            },
          },
        },
      },
    } as unknown as CommandContext;
    const result = await sync(context, Sync.fromPartial({ conversations: [{ conversationId: 'c', cursor }], limit }));
    if (result.$case !== 'sync') throw new Error(result.$case);
    return result.value.deltas[0] as ConversationDelta;
  }

  /** All pages from a cursor on; fails where one does not get on. */
  async askAll(cursor: string, limit: number): Promise<ConversationDelta[]> {
    const pages: ConversationDelta[] = [];
    for (let at = cursor; ; ) {
      const page = await this.ask(at, limit);
      pages.push(page);
      if (!page.more) return pages;
      expect(page.cursor).not.toBe(at);
      at = page.cursor;
    }
  }
}

const userIds = (pages: ConversationDelta[]): string[] => pages.flatMap((p) => p.participants.map((q) => q.userId));

describe('changes that are written and not committed', () => {
  test('are paged through once where they are more than a page, and told again when committed', async () => {
    const room = new Room(group, 10, 9);
    const { cursor } = await room.ask();
    // Committed at the head, and past it in the documents: a batch of edits is between its two steps.
    room.head = { ...room.head, headRev: 11 };
    room.messages = room.messages.map((m, i) => ({ ...m, rev: 12 + i }));
    (room.messages[8] as MessageDocument).rev = 11;
    const pages = await room.askAll(cursor, 2);
    const told = pages.flatMap((p) => p.messages);
    expect(told.map(({ seq }) => seq)).toEqual([9, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(told.every(({ rev }) => rev === 11)).toBe(true);
    const after = (pages.at(-1) as ConversationDelta).cursor;
    expect(await room.ask(after, 2)).toMatchObject({ messages: [], more: false });
    room.head = { ...room.head, headRev: 19 };
    const again = (await room.askAll(after, 2)).flatMap((p) => p.messages.map(({ seq }) => seq));
    expect(again).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  test('are not told in any page where they are new messages', async () => {
    const room = new Room(group, 10, 9);
    const { cursor } = await room.ask();
    room.messages = room.messages.map((m, i) => ({ ...m, rev: 11 + i }));
    room.head = { ...room.head, headRev: 19 };
    room.messages.push(MessageDocument.fromPartial({ messageId: 'm10', seq: 10, rev: 20, digest: 'd10' }));
    const pages = await room.askAll(cursor, 4);
    expect(pages.length).toBeGreaterThan(1);
    expect(pages.flatMap((p) => p.messages.map(({ seq }) => seq))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test('are paged through from the head on again when it moves meanwhile', async () => {
    const room = new Room(group, 10, 9);
    const { cursor } = await room.ask();
    room.messages = room.messages.map((m, i) => ({ ...m, rev: 11 + i }));
    room.head = { ...room.head, headRev: 10, metaRev: 10 };
    const first = await room.ask(cursor, 4);
    expect(first.messages).toEqual([]); // at the head there is nothing to tell
    room.head = { ...room.head, headRev: 11 };
    const page = await room.ask(cursor, 4);
    expect(page.messages.map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
    room.head = { ...room.head, headRev: 19 };
    const rest = (await room.askAll(page.cursor, 4)).flatMap((p) => p.messages.map(({ seq }) => seq));
    expect(rest).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
  });
});

test('a cursor from before one could read something else begins anew with what one may read', async () => {
  const room = new Room(group, 10, 9);
  room.visibleFromSeq = 5;
  const { cursor } = await room.ask();
  room.head = { ...room.head, headRev: 11 };
  (room.messages[8] as MessageDocument).rev = 11;
  expect((await room.ask(cursor)).messages.map(({ seq }) => seq)).toEqual([9]);
  // Came back with all of the history: changes since the cursor are not enough.
  room.visibleFromSeq = 1;
  expect((await room.ask(cursor)).messages).toHaveLength(9);
  // And without: nothing of it is told.
  room.visibleFromSeq = 9;
  const delta = await room.ask(cursor);
  expect(delta.messages.map(({ seq }) => seq)).toEqual([9]);
  expect(delta.limited).toMatchObject({ startSeq: 8, startDigest: 'd8' });
});

describe('what the store does not answer in one read', () => {
  test('comes in further pages, with nothing skipped beside it', async () => {
    const room = new Room(group, 10, 9);
    const { cursor } = await room.ask();
    room.storedBytes = defaultBounds.maxReplyBytes / 3;
    room.messages = room.messages.map((m, i) => ({ ...m, rev: 20 + 2 * i }));
    for (let i = 0; i < 9; i++) room.participant(`u${i}`, 21 + 2 * i);
    room.head = { ...room.head, headRev: 40 };
    const pages = await room.askAll(cursor, 500);
    expect(pages.length).toBeGreaterThan(2);
    expect(pages.flatMap((p) => p.messages.map(({ seq }) => seq))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(userIds(pages)).toEqual(Array.from({ length: 9 }, (_, i) => `u${i}`));
  });

  test('is before the beginning of a snapshot, which says where that is', async () => {
    const room = new Room(group, 10, 9);
    room.storedBytes = defaultBounds.maxReplyBytes / 3;
    const delta = await room.ask();
    expect(delta.messages.map(({ seq }) => seq)).toEqual([7, 8, 9]);
    expect(delta.limited).toMatchObject({ startSeq: 6, startDigest: 'd6' });
  });
});

describe('a cursor that was not made here, or a store with a hole', () => {
  const cursorOf = (...parts: unknown[]): string => Buffer.from(JSON.stringify(parts)).toString('base64url');

  test('a seq that does not fit its rev: begins anew', async () => {
    const room = new Room(group, 10, 9);
    for (const seq of [99, 3, 0]) {
      const delta = await room.ask(cursorOf(1, 'c', 9, seq, 1));
      expect(delta.messages.map((m) => m.seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
      expect(await room.ask(delta.cursor)).toMatchObject({ messages: [], refused: 0, more: false });
    }
  });

  test('a hole is told of its conversation, and the others are answered', async () => {
    const room = new Room(group, 10, 9);
    room.messages.splice(4, 1);
    expect(await room.ask()).toMatchObject({ messages: [], refused: reasonNumber('HISTORY_UNAVAILABLE') });
  });
});

describe('a channel’s readers', () => {
  const aChannel = async () => {
    const room = new Room(channel, 10, 1);
    room.participant('me', 3);
    room.participant('boss', 4, { role: Role.ROLE_OWNER });
    for (let i = 0; i < 20; i++) room.participant(`reader${i}`, 11 + i, { readSeq: 1 });
    const { cursor } = await room.ask();
    room.head = { ...room.head, headRev: 40 };
    return { room, cursor };
  };

  test('are neither told of nor looked at in each other’s syncs: how far one has read is one’s own', async () => {
    const { room, cursor } = await aChannel();
    expect(await room.ask(cursor)).toMatchObject({ participants: [], more: false });
    expect(room.looked).toBe(0);
    (room.participants[0] as ParticipantDocument).rev = 33;
    expect(userIds([await room.ask(cursor)])).toEqual(['me']);
  });

  test('are told who manages where that changed, who does not any more included, however many have read', async () => {
    const { room, cursor } = await aChannel();
    room.head = { ...room.head, membersRev: 34 };
    room.participant('new', 34, { role: Role.ROLE_ADMIN });
    Object.assign(room.participants[1] as object, { rev: 35, role: Role.ROLE_MEMBER, wasRole: Role.ROLE_OWNER });
    room.participants[0] = { ...(room.participants[0] as ParticipantDocument), rev: 12 };
    expect(userIds(await room.askAll(cursor, 3))).toEqual(['me', 'new', 'boss']);
    expect(userIds(await room.askAll(cursor, 500))).toEqual(['me', 'new', 'boss']);
  });
});
