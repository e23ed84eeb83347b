import { describe, expect, test } from '@jest/globals';
import { ConversationState, type Effect } from './conversation-state.ts';
import { emptyDigest, nextDigest } from './digest.ts';
import { aDelta, aMessage, ModelLog } from './testing/model-log.ts';
import type { Head, Message } from './wire/resources.ts';

const limits = { maxWindowMessages: 1_000, maxPendingMessages: 1_000, maxParticipants: 10 };

/** A state that has loaded an empty conversation. */
const loaded = (): { log: ModelLog; state: ConversationState } => {
  const log = new ModelLog(500);
  const state = new ConversationState('c1', limits);
  state.delta(log.delta(''), true);
  return { log, state };
};
const types = (effects: Effect[]) => effects.map((effect) => effect.type);

describe('a conversation', () => {
  test('takes the least position of a message delivered twice', () => {
    const { log, state } = loaded();
    const first = log.append();
    const second = log.append();
    const repeat = log.append(first.messageId);
    expect(types(state.accepted(repeat))).toEqual(['message']);
    state.accepted(second);
    expect(state.accepted(first)).toEqual([]);
    const head = log.commit(3) as Head;
    expect(types(state.headMoved(head))).toEqual(['committed', 'committed']);
    expect(state.window.committed.map((m) => m.messageId)).toEqual([first.messageId, second.messageId]);
    expect(state.duplicates).toBe(1);
    expect(state.accepted(repeat)).toEqual([]);
  });

  test('takes the whole of the first record of a message, whichever came first', () => {
    const record = (position: number, text: string) =>
      aMessage({ messageId: 'm', position, content: { text, attachments: [], mentions: [], metadata: {} } });
    const [first, later] = [record(1, 'first'), record(2, 'later')];
    const { state } = loaded();
    state.accepted(later, true);
    expect(types(state.accepted(first))).toEqual(['changed']);
    expect(state.accepted(later)).toEqual([]);
    expect(state.window.pending.get('m')).toBe(first);
  });

  test('takes what the log holds over what was sent, and keeps a change that came before', () => {
    const { state } = loaded();
    const own = aMessage({ messageId: 'm', position: 2, traceId: 'answer' });
    const event = { ...own, traceId: 'event' };
    state.accepted(own, true);
    expect(state.accepted(event)).toEqual([]);
    state.accepted(own, true);
    expect(state.window.pending.get('m')).toBe(event);
    state.changed({ ...event, rev: 3, editedAtMs: 7 });
    state.accepted({ ...event, position: 1 });
    expect(state.window.pending.get('m')).toMatchObject({ position: 1, rev: 3, editedAtMs: 7 });
  });

  test('follows its heads when the messages they tell of come late', () => {
    const { log, state } = loaded();
    const messages = [log.append(), log.append(), log.append()];
    const heads = [log.commit(1), log.commit(2)] as Head[];
    for (const head of heads) expect(state.headMoved(head)).toEqual([]);
    expect(types(state.accepted(messages[0] as Message))).toEqual(['message', 'committed']);
    expect(types(state.accepted(messages[2] as Message))).toEqual(['message']);
    expect(state.behind).toBe(true);
    expect(types(state.accepted(messages[1] as Message))).toEqual(['message', 'committed', 'committed']);
    expect([state.behind, state.rev, state.window.digest]).toEqual([false, log.rev, log.digest]);
  });

  test('commits nothing when the digest tells of another order, and is behind', () => {
    const { log, state } = loaded();
    state.accepted(log.append());
    const head = log.commit(1) as Head;
    expect(state.headMoved({ ...head, digest: '00000000000000ff' })).toEqual([]);
    expect(state.behind).toBe(true);
    expect(state.window.lastSeq).toBe(0);
  });

  test('commits what the digest proves but is behind for changes it may have missed', () => {
    const { log, state } = loaded();
    state.accepted(log.append());
    state.headMoved(log.commit(1) as Head);
    const missed = log.edit(0);
    state.accepted(log.append());
    expect(types(state.headMoved(log.commit(1) as Head))).toEqual(['committed']);
    expect(state.behind).toBe(true);
    expect(state.window.lastSeq).toBe(2);
    expect(types(state.delta(log.delta(state.cursor), false))).toEqual(['changed']);
    expect(state.window.at(1)?.editedAtMs).toBe(missed?.message.editedAtMs);
    expect(state.rev).toBe(log.rev);
  });

  test('starts again from nothing when a complete delta does not give the digest of its head', () => {
    const { log, state } = loaded();
    log.append();
    log.commit(1);
    const delta = log.delta(state.cursor);
    const wrong = { ...delta, head: { ...(delta.head as Head), digest: '00000000000000ff' } };
    expect(types(state.delta(wrong, false))).toContain('diverged');
    expect(state.cursor).toBe('');
    state.delta(log.delta(''), true);
    expect(state.window.digest).toBe(log.digest);
    expect(state.ready).toBe(true);
  });

  test('tells of leaving when the sync is refused because the user is not a member', () => {
    const { state } = loaded();
    expect(types(state.delta(aDelta({ refused: 'CONVERSATION_NOT_FOUND' }), false))).toEqual(['left']);
  });

  test('begins without a cursor when its cursor is not known any more', () => {
    const { state } = loaded();
    state.cursor = 'old';
    expect(types(state.delta(aDelta({ refused: 'CURSOR_INVALID' }), false))).toEqual(['sync']);
    expect(state.cursor).toBe('');
  });

  test('keeps a change that overtakes the commit of its message', () => {
    const { log, state } = loaded();
    const message = log.append();
    state.accepted(message);
    const head = log.commit(1) as Head;
    state.changed({ ...message, seq: 1, rev: 1, editedAtMs: 7 });
    expect(types(state.headMoved(head))).toEqual(['committed']);
    expect(state.window.at(1)).toMatchObject({ seq: 1, rev: 1, editedAtMs: 7 });
  });

  test('asks again when a change came before the delta with its message, which was read before the change', () => {
    const { log, state } = loaded();
    log.append();
    log.commit(1);
    const read = log.delta(state.cursor);
    const { message, head } = log.edit(0) as { message: Message; head: Head };
    expect(state.changed(message)).toEqual([]);
    state.headMoved(head);
    state.delta(read, false);
    expect([state.behind, state.window.committed[0]?.editedAtMs]).toEqual([true, 0]);
    state.delta(log.delta(state.cursor), false);
    expect([state.behind, state.rev]).toEqual([false, log.rev]);
    expect(state.window.committed[0]?.editedAtMs).toBe(message.editedAtMs);
  });

  test('asks again when a change came to a message that a delta from the start then replaced', () => {
    const { log, state } = loaded();
    state.accepted(log.append());
    state.headMoved(log.commit(1) as Head);
    state.restart();
    const read = log.delta('');
    const { message, head } = log.edit(0) as { message: Message; head: Head };
    state.changed(message);
    state.headMoved(head);
    state.delta(read, true);
    expect(state.behind).toBe(true);
    state.delta(log.delta(state.cursor), false);
    expect([state.behind, state.window.committed[0]?.editedAtMs]).toEqual([false, message.editedAtMs]);
  });

  test.each([false, true])(
    'misses none of several changes that came before such a delta (from the start: %s)',
    (fromStart) => {
      const { log, state } = loaded();
      if (fromStart) {
        for (const message of [log.append(), log.append()]) state.accepted(message);
        state.headMoved(log.commit(2) as Head);
        state.restart();
      } else {
        log.append();
        log.append();
        log.commit(2);
      }
      const read = log.delta(state.cursor);
      const edits = [log.edit(0), log.edit(1), log.edit(0)] as { message: Message; head: Head }[];
      for (const { message, head } of edits) {
        state.changed(message);
        state.headMoved(head);
      }
      state.delta(read, fromStart);
      expect([state.behind, state.rev]).toEqual([true, read.head?.headRev]);
      state.delta(log.delta(state.cursor), false);
      expect([state.behind, state.rev]).toEqual([false, log.rev]);
      expect(state.window.committed.map((m) => m.editedAtMs)).toEqual(
        [edits[2], edits[1]].map((edit) => edit?.message.editedAtMs),
      );
    },
  );

  test('keeps a change of a pending message that came before the delta which commits the message', () => {
    const { log, state } = loaded();
    state.accepted(log.append());
    log.commit(1);
    const read = log.delta(state.cursor);
    const { message } = log.edit(0) as { message: Message };
    state.changed(message);
    state.delta(read, false);
    expect(state.window.committed).toMatchObject([{ seq: 1, editedAtMs: message.editedAtMs }]);
  });

  test('ignores changes, participants and fields older than what it has', () => {
    const { log, state } = loaded();
    state.accepted(log.append());
    state.headMoved(log.commit(1) as Head);
    const edit = log.edit(0)?.message as Message;
    expect(types(state.changed(edit))).toEqual(['changed']);
    expect(state.changed({ ...edit, editedAtMs: 1, rev: 1 })).toEqual([]);
    const participant = { conversationId: 'c1', userId: 'u', rev: 3 } as never;
    expect(types(state.participantChanged(participant))).toEqual(['participant']);
    expect(state.participantChanged(participant)).toEqual([]);
  });

  test('ignores a late record of a message that has left the window', () => {
    const log = new ModelLog(500);
    const state = new ConversationState('c1', { ...limits, maxWindowMessages: 1 });
    state.delta(log.delta(''), true);
    const messages = [log.append(), log.append()];
    for (const message of messages) state.accepted(message);
    state.headMoved(log.commit(2) as Head);
    expect(state.window.committed).toHaveLength(1);
    expect(state.accepted(messages[0] as Message)).toEqual([]);
    expect(state.window.pending.size).toBe(0);
  });

  test('takes no revision from a head before it has loaded, for the changes before it are not here', () => {
    const log = new ModelLog(500);
    log.append();
    log.commit(1);
    const state = new ConversationState('c1', limits);
    state.delta({ ...log.delta(''), more: true }, true);
    const rest = log.delta(state.cursor);
    log.edit(0);
    // A head that does not say which changes it follows: no predecessor.
    state.headMoved(log.head(0));
    state.delta(rest, false);
    expect(state.behind).toBe(true);
    state.delta(log.delta(state.cursor), false);
    expect(state.window.at(1)?.editedAtMs).toBe(log.messages[0]?.editedAtMs);
  });

  test('asks again when a delta from the start was read before a head it has already followed', () => {
    const { log, state } = loaded();
    const asked = log.delta('');
    state.accepted(log.append());
    state.headMoved(log.commit(1) as Head);
    state.restart();
    state.delta(asked, true);
    expect(state.behind).toBe(true);
    state.delta(log.delta(state.cursor), false);
    expect(state.window.digest).toBe(log.digest);
  });

  test('forgets a rejected record, but not another record of the same message', () => {
    const { state } = loaded();
    state.accepted(aMessage({ messageId: 'm', position: 5 }));
    const rejected = { conversationId: 'c1', messageId: 'm', clientMsgId: '', error: undefined };
    expect(state.rejected({ ...rejected, position: 9 })).toBe(false);
    expect(state.window.pending.size).toBe(1);
    expect(state.rejected({ ...rejected, position: 5 })).toBe(true);
    expect(state.window.pending.size).toBe(0);
  });

  test('leaves what exceeds the bound of pending messages to sync', () => {
    const state = new ConversationState('c1', { ...limits, maxPendingMessages: 1 });
    state.accepted(aMessage({ messageId: 'a', position: 1 }));
    expect(types(state.accepted(aMessage({ messageId: 'b', position: 2 })))).toEqual(['sync']);
    expect(state.window.pending.size).toBe(1);
  });
});

test('the digest chain is that of the service', () => {
  expect(nextDigest(emptyDigest, 'a')).toBe('d7fe8b5c4a504869');
});
