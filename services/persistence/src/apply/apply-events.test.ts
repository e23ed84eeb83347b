import { emptyDigest, nextDigest } from '@caas/message-store';
import { ParticipantState, Role } from '@caas/proto/caas/events/v1/content';
import type { ConversationDocument, ParticipantDocument } from '@caas/proto/caas/events/v1/documents';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { aRoom, c, Room, takes } from '../testing/room.ts';
import { maxEditsKept, maxPins, maxReactionKinds, maxReactionUsers } from './limits.ts';
import type { ConversationEvent, EventRecord } from './model.ts';

describe('messages', () => {
  test('get seq, revision, position and digest in log order', () => {
    const room = aRoom();
    const before = room.head?.headRev ?? 0;
    const outcome = takes(room, c.sent('a'), c.sent('b'));
    expect([room.message('a').seq, room.message('b').seq]).toEqual([1, 2]);
    expect([room.message('a').rev, room.message('b').rev, room.head?.headRev]).toEqual([
      before + 1,
      before + 2,
      before + 2,
    ]);
    expect([room.message('a').position, room.message('b').position]).toEqual([1, 2]);
    const digest = nextDigest(nextDigest(emptyDigest, c.messageId('a')), c.messageId('b'));
    expect(room.head).toMatchObject({ lastSeq: 2, lastPosition: 2, digest, lastMessage: { seq: 2 } });
    expect(outcome).toMatchObject({ firstSeq: 1, changes: [], rejections: [] });
  });

  test('sent again change nothing, whether committed or in the same batch', () => {
    const room = aRoom();
    takes(room, c.sent('a'), c.sent('a'));
    const outcome = takes(room, c.sent('a'));
    expect(outcome).toMatchObject({ messages: [], rejections: [], firstSeq: 0 });
    expect(room.head?.lastSeq).toBe(1);
  });

  test('with the same id and other content are rejected with their place in the log', () => {
    const room = aRoom();
    const { rejections } = takes(room, c.sent('a', 'one'), c.sent('a', 'two'));
    expect(rejections).toHaveLength(1);
    expect(rejections[0]).toMatchObject({
      nodeId: 'node-1',
      rejected: { messageId: c.messageId('a'), position: 2, reason: 16 },
    });
    expect(takes(room, c.sent('a', 'three')).rejections).toHaveLength(1);
    expect(room.head?.lastSeq).toBe(1);
  });

  test('to a conversation that is not there are rejected; everything else is dropped', () => {
    const room = new Room();
    const outcome = takes(
      room,
      c.sent('a'),
      c.edited('a', 'x'),
      c.titled('x'),
      c.muted('ann', 5),
      c.received('ann', 1),
    );
    expect(outcome.conversation).toBeUndefined();
    expect(outcome.rejections.map((r) => r.rejected.reason)).toEqual([12]);
  });

  test('of an attempt that never committed count as absent', () => {
    const room = aRoom();
    const records = room.records([c.sent('a'), c.sent('b')]);
    room.crash(records);
    expect(room.apply(records.slice(0, 1)).rejections).toEqual([]);
    room.take(records);
    expect(room.head?.lastSeq).toBe(2);
  });

  test('are accepted into an archived conversation, since acceptance was judged before', () => {
    const room = aRoom();
    takes(room, c.archived(true), c.sent('a'));
    expect(room.head).toMatchObject({ lastSeq: 1 });
    expect(room.head?.archivedAtMs).toBeGreaterThan(0);
    takes(room, c.archived(false));
    expect(room.head?.archivedAtMs).toBe(0);
  });
});

describe('changes of messages', () => {
  test('an edit keeps what was there, at most so often', () => {
    const room = aRoom();
    takes(room, c.sent('a', 'v0'));
    for (let i = 1; i <= maxEditsKept + 2; i += 1) takes(room, c.edited('a', `v${i}`));
    const { edits, editCount, content, seq } = room.message('a');
    expect([edits.length, editCount, seq]).toEqual([maxEditsKept, maxEditsKept + 2, 1]);
    expect(content?.body).toMatchObject({ value: { text: `v${maxEditsKept + 2}` } });
    expect(edits[0]?.content?.body).toMatchObject({ value: { text: 'v2' } });
    expect(room.head?.lastMessage).toMatchObject({ editCount: maxEditsKept + 2, edits: [] });
  });

  test('a deletion leaves a tombstone, and beats an edit whichever comes first', () => {
    const room = aRoom();
    takes(room, c.sent('a'), c.reacted('bob', 'a', '+'), c.pinned('ann', 'a'), c.edited('a', 'x'));
    takes(
      room,
      c.edited('a', 'y'),
      c.deleted('a'),
      c.edited('a', 'z'),
      c.reacted('bob', 'a', '-'),
      c.pinned('ann', 'a'),
    );
    const empty = {
      content: undefined,
      edits: [],
      reactions: [],
      pinnedAtMs: 0,
      pinnedBy: '',
      deletedBy: 'ann',
      seq: 1,
    };
    expect(room.message('a')).toMatchObject(empty);
    // A retry of the send is still a retry, and other content still a conflict.
    expect(takes(room, c.sent('a')).rejections).toEqual([]);
    expect(takes(room, c.sent('a', 'other')).rejections).toHaveLength(1);
  });

  test('reactions are set and taken back once a user, and dropped past the limits', () => {
    const room = aRoom();
    takes(room, c.sent('a'), c.sent('b'));
    takes(
      room,
      c.reacted('bob', 'a', '+'),
      c.reacted('bob', 'a', '+'),
      c.reacted('ann', 'a', '+'),
      c.reacted('ann', 'a', 'x'),
    );
    takes(room, c.reacted('ann', 'a', 'x', false), c.reacted('ann', 'a', 'y', false));
    expect(room.message('a').reactions).toEqual([{ kind: '+', userIds: ['bob', 'ann'] }]);
    takes(room, ...Array.from({ length: maxReactionKinds + 3 }, (_, i) => c.reacted('ann', 'b', `k${i}`)));
    expect(room.message('b').reactions).toHaveLength(maxReactionKinds);
    takes(room, ...Array.from({ length: maxReactionUsers + 3 }, (_, i) => c.reacted(`u${i}`, 'b', 'k0')));
    expect(room.message('b').reactions.flatMap((r) => r.userIds)).toHaveLength(maxReactionUsers);
  });

  test('kinds and members past what the tenant allowed at the time are left out, whatever others it allowed since', () => {
    const room = aRoom();
    takes(room, c.sent('a'), ...['k1', 'k2', 'k3'].map((kind) => c.reacted('bob', 'a', kind, true, 2)));
    expect(room.message('a').reactions.map(({ kind }) => kind)).toEqual(['k1', 'k2']);
    takes(room, c.reacted('ann', 'a', 'k2', true, 2), c.reacted('ann', 'a', 'k4', true, 3));
    expect(room.message('a').reactions.map(({ kind }) => kind)).toEqual(['k1', 'k2', 'k4']);
    const before = room.head?.memberCount ?? 0;
    const added = (...ids: string[]) => c.added(ids, Role.ROLE_MEMBER, before + 2);
    takes(room, added('m1'), added('m1', 'm2', 'm3'), added('m4'));
    expect(room.head?.memberCount).toBe(before + 2);
    expect(['m1', 'm2', 'm3', 'm4'].map((id) => room.participants.has(id))).toEqual([true, true, false, false]);
  });

  test('pins past the limit are dropped, over batches and within one; an unpinned or deleted one makes room', () => {
    const room = aRoom();
    const ids = Array.from({ length: maxPins + 3 }, (_, i) => `m${i}`);
    const pins = () => ids.filter((id) => room.message(id).pinnedAtMs > 0);
    const [last, beyond, far] = ids.slice(-3) as [string, string, string];
    takes(room, ...ids.map((id) => c.sent(id)), ...ids.slice(0, 40).map((id) => c.pinned('ann', id)));
    takes(room, ...ids.slice(30).map((id) => c.pinned('ann', id)));
    expect(pins()).toEqual(ids.slice(0, maxPins));
    takes(room, c.pinned('ann', beyond), c.pinned('bob', 'm0', false), c.pinned('ann', far), c.pinned('ann', last));
    expect(pins()).toEqual([...ids.slice(1, maxPins), far]);
    takes(room, c.deleted('m1'), c.pinned('ann', beyond));
    expect(pins()).toEqual([...ids.slice(2, maxPins), beyond, far]);
  });

  test('several changes of a message in one batch are one document with one change told', () => {
    const room = aRoom();
    takes(room, c.sent('a'));
    const outcome = takes(room, c.edited('a', 'x'), c.reacted('bob', 'a', '+'), c.pinned('ann', 'a'));
    expect(outcome.messages).toHaveLength(1);
    expect(outcome.changes).toHaveLength(1);
    expect(room.message('a').rev).toBe(room.head?.headRev);
  });

  test('what changes nothing spends no revision', () => {
    const room = aRoom();
    takes(room, c.sent('a'), c.pinned('ann', 'a'), c.muted('bob', 9), c.received('bob', 1, 1));
    const { headRev } = room.head as ConversationDocument;
    const outcome = takes(
      room,
      ...[
        c.pinned('bob', 'a'),
        c.muted('bob', 9),
        c.received('bob', 1, 1),
        c.sent('a'),
        c.titled('title'),
        c.added(['bob']),
      ],
      ...[
        c.reacted('ann', 'a', '+', false),
        c.edited('none', 'x'),
        c.created(['dan']),
        c.promoted('bob', Role.ROLE_MEMBER),
      ],
    );
    expect(room.head?.headRev).toBe(headRev);
    expect(outcome).toMatchObject({ messages: [], participants: [], changes: [] });
    expect(Object.keys(outcome.applied)).toHaveLength(5);
  });

  test('a message is hidden for one user only, and only if it exists', () => {
    const room = aRoom();
    const outcome = takes(room, c.sent('a'), c.hidden('bob', 'a'), c.hidden('bob', 'none'));
    expect(outcome.hidden).toMatchObject([{ userId: 'bob', messageId: c.messageId('a'), seq: 1 }]);
  });
});

describe('participants', () => {
  const of = (room: Room, userId: string) => room.participants.get(userId) as ParticipantDocument;

  test('receipts move on only, never past the last message, and only for members', () => {
    const room = aRoom();
    takes(room, c.sent('a'), c.sent('b'), c.sent('c'));
    takes(room, c.received('bob', 9, 2), c.received('dan', 1, 1));
    expect(of(room, 'bob')).toMatchObject({ deliveredSeq: 3, readSeq: 2 });
    takes(room, c.received('bob', 1, 1));
    expect(of(room, 'bob')).toMatchObject({ deliveredSeq: 3, readSeq: 2 });
    takes(room, c.received('cyd', 0, 2));
    expect(of(room, 'cyd')).toMatchObject({ deliveredSeq: 2, readSeq: 2 });
    expect(room.participants.has('dan')).toBe(false);
  });

  test('come, go and come back, each with a revision, and the count is exact', () => {
    const room = aRoom([c.created(['ann', 'bob', 'cyd'], false)]);
    expect(room.head?.memberCount).toBe(3);
    takes(room, c.sent('a'), c.added(['dan', 'dan', 'bob']));
    expect(room.head).toMatchObject({ memberCount: 4, membersRev: of(room, 'dan').rev });
    expect(of(room, 'dan')).toMatchObject({ visibleFromSeq: 2, readSeq: 1, role: Role.ROLE_MEMBER });
    takes(room, c.removed(['dan', 'zed']), c.removed(['bob'], 'bob'));
    expect(room.head?.memberCount).toBe(2);
    expect(of(room, 'dan').state).toBe(ParticipantState.PARTICIPANT_STATE_REMOVED);
    expect(of(room, 'bob').state).toBe(ParticipantState.PARTICIPANT_STATE_LEFT);
    const outcome = takes(room, c.added(['bob'], Role.ROLE_ADMIN));
    expect(of(room, 'bob')).toMatchObject({ role: Role.ROLE_ADMIN, leftAtMs: 0, visibleFromSeq: 2 });
    expect(outcome.affectedUsers).toEqual(['bob']);
    expect(room.head?.memberCount).toBe(3);
  });

  test('the longest-standing admin, else member, follows the last owner', () => {
    const room = aRoom();
    takes(room, c.added(['dan'], Role.ROLE_ADMIN), c.added(['eve'], Role.ROLE_ADMIN));
    takes(room, c.removed(['ann'], 'ann'));
    expect(of(room, 'dan').role).toBe(Role.ROLE_OWNER);
    takes(room, c.promoted('cyd', Role.ROLE_OWNER), c.removed(['dan'], 'dan'));
    expect(of(room, 'eve').role).toBe(Role.ROLE_ADMIN);
    takes(room, c.removed(['eve', 'cyd'], 'eve'));
    expect(of(room, 'bob').role).toBe(Role.ROLE_OWNER);
    takes(room, c.removed(['bob'], 'bob'));
    expect(room.head?.memberCount).toBe(0);
  });

  test('who come have all unread that is said from then on, also where another interleaving was written before', () => {
    const room = aRoom([c.created(['ann'], false), c.sent('a')]);
    const sends = room.records([c.sent('b'), c.sent('c')]);
    const join = room.records([c.added(['bob'])]);
    room.crash([...sends, ...join]);
    room.take([...join, ...sends]);
    expect(room.head?.lastSeq).toBe(3);
    expect(of(room, 'bob')).toMatchObject({ visibleFromSeq: 2, readSeq: 1, deliveredSeq: 1 });
    takes(room, c.received('bob', 3, 3), c.removed(['bob']), c.sent('d'), c.added(['bob']), c.sent('e'));
    expect(of(room, 'bob')).toMatchObject({ visibleFromSeq: 5, readSeq: 4, deliveredSeq: 4 });
  });

  test('are counted right when a change of theirs commits before the membership it was written with', () => {
    const room = aRoom();
    const [removal] = room.records([c.removed(['bob'])]);
    const [mute] = room.records([c.muted('bob', 5)]);
    const [send] = room.records([c.sent('a')]);
    room.crash([removal, send] as EventRecord[]);
    room.take([mute, send] as EventRecord[]);
    expect(room.head?.memberCount).toBe(3);
    room.take([removal] as EventRecord[]);
    expect(room.head?.memberCount).toBe(2);
    expect(room.active()).toEqual(['ann', 'cyd']);
  });
});

describe('whatever the batches, crashes and interleavings', () => {
  const users = fc.constantFrom('ann', 'bob', 'cyd', 'dan', 'eve');
  const ids = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
  const roles = fc.constantFrom(Role.ROLE_MEMBER, Role.ROLE_ADMIN, Role.ROLE_OWNER);
  const event: fc.Arbitrary<ConversationEvent> = fc.oneof(
    { weight: 4, arbitrary: ids.map((id) => c.sent(id)) },
    ids.map((id) => c.sent(id, 'other content')),
    fc.tuple(ids, fc.string({ maxLength: 3 })).map(([id, text]) => c.edited(id, text)),
    ids.map((id) => c.deleted(id)),
    fc.tuple(users, ids, fc.constantFrom('+', '-'), fc.boolean()).map((args) => c.reacted(...args)),
    fc.tuple(users, ids, fc.boolean()).map((args) => c.pinned(...args)),
    fc.tuple(users, ids).map((args) => c.hidden(...args)),
    fc.tuple(users, fc.nat(3)).map((args) => c.muted(...args)),
    fc.tuple(users, fc.nat(9), fc.nat(9)).map((args) => c.received(...args)),
    { weight: 2, arbitrary: fc.tuple(fc.array(users, { maxLength: 3 }), roles).map((args) => c.added(...args)) },
    { weight: 2, arbitrary: fc.tuple(fc.array(users, { maxLength: 3 }), users).map((args) => c.removed(...args)) },
    fc.tuple(users, roles).map((args) => c.promoted(...args)),
    fc.constantFrom('x', 'y').map((title) => c.titled(title)),
  );
  const step = fc.record({
    size: fc.integer({ min: 1, max: 8 }),
    crash: fc.constantFrom('no', 'no', 'all', 'some') as fc.Arbitrary<'no' | 'all' | 'some'>,
    back: fc.nat(6),
    topics: fc.shuffledSubarray(
      ['message.sent', 'conversation.updated', 'user.action', 'message.edited', 'message.deleted'],
      { minLength: 2 },
    ),
  });

  /** What holds of a committed room, whatever happened. */
  const check = (room: Room): void => {
    const head = room.head as ConversationDocument;
    const committed = [...room.messages.values()].filter((m) => m.seq <= head.lastSeq).sort((a, b) => a.seq - b.seq);
    expect(committed.map((m) => m.seq)).toEqual(committed.map((_, i) => i + 1));
    expect(committed).toHaveLength(head.lastSeq);
    const digest = committed.reduce((d, m) => nextDigest(d, m.messageId), emptyDigest);
    expect(head.digest).toBe(digest);
    expect(committed.map((m) => m.position)).toEqual(committed.map((m) => m.position).sort((a, b) => a - b));
  };

  /** What does not depend on how the topics were interleaved. */
  const view = (room: Room) => ({
    ids: [...room.messages.values()].sort((a, b) => a.seq - b.seq).map((m) => m.messageId),
    digest: room.head?.digest,
    members: [...room.participants.values()].map((p) => [p.userId, p.state, p.role]).sort(),
    memberCount: room.head?.memberCount,
    title: room.head?.title,
  });

  test('a room ends as if every event had been applied once, in one go', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), fc.array(step, { maxLength: 40 }), (events, steps) => {
        const room = aRoom();
        const records = room.records(events);
        const queues = new Map<string, EventRecord[]>();
        for (const r of records) queues.set(r.topic, [...(queues.get(r.topic) ?? []), r]);
        const done = new Map<string, number>();
        for (const { size, crash, back, topics } of steps) {
          // Records of each topic from a little before what was taken on: redeliveries, in any interleaving of the topics.
          const batch = topics.flatMap((topic) => {
            const from = Math.max(0, (done.get(topic) ?? 0) - back);
            return (queues.get(topic) ?? []).slice(from, (done.get(topic) ?? 0) + size);
          });
          if (crash !== 'no') room.crash(batch, crash);
          else {
            const revs = new Map([...room.messages].map(([id, m]) => [id, m]));
            const head = room.head?.headRev ?? 0;
            const outcome = room.take(batch);
            for (const topic of topics)
              done.set(topic, Math.min((done.get(topic) ?? 0) + size, queues.get(topic)?.length ?? 0));
            // Everything that differs from what readers of the old head may have seen has a revision past it.
            for (const m of outcome.messages) expect(m.rev).toBeGreaterThan(head);
            for (const [id, m] of room.messages) if (m !== revs.get(id)) expect(m.rev).toBeGreaterThan(head);
            check(room);
          }
        }
        room.take([...queues.values()].flat());
        check(room);
        expect(room.head?.memberCount).toBe(room.active().length);
        expect(room.head?.ownerCount).toBe(room.owners().length);

        const once = aRoom();
        for (const topic of [
          'message.sent',
          'conversation.updated',
          'user.action',
          'message.edited',
          'message.deleted',
          'message.delivered',
        ])
          once.take(records.filter((r) => r.topic === topic));
        expect(view(room)).toEqual(view(once));
      }),
      { numRuns: 300 },
    );
  });

  test('edits, deletions and reactions of committed messages end the same after any crashes', () => {
    const change = fc.oneof(
      fc.tuple(ids, fc.string({ maxLength: 3 })).map(([id, text]) => c.edited(id, text)),
      fc.tuple(users, ids, fc.constantFrom('+', '-'), fc.boolean()).map((args) => c.reacted(...args)),
    );
    fc.assert(
      fc.property(fc.array(change, { maxLength: 30 }), fc.array(step, { maxLength: 30 }), (events, steps) => {
        const room = aRoom();
        const sends = room.records(['a', 'b', 'c', 'd', 'e', 'f'].map((id) => c.sent(id)));
        room.take(sends);
        const once = aRoom();
        once.take(sends);
        const records = room.records(events);
        let done = 0;
        for (const { size, crash, back } of steps) {
          const batch = records.slice(Math.max(0, done - back), done + size);
          if (crash === 'no') {
            room.take(batch);
            done = Math.min(done + size, records.length);
          } else room.crash(batch, crash);
        }
        room.take(records);
        once.take(records);
        const bare = (r: Room) => [...r.messages.values()].map(({ rev, epoch, ...rest }) => rest);
        expect(bare(room)).toEqual(bare(once));
      }),
      { numRuns: 300 },
    );
  });
});
