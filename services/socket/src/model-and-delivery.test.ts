import { CaasError } from '@caas/kit';
import { Claims } from '@caas/proto/caas/common/v1/claims';
import { ConversationKind, PlainContent, Role } from '@caas/proto/caas/events/v1/content';
import { ParticipantDocument } from '@caas/proto/caas/events/v1/documents';
import { GetHistory } from '@caas/proto/caas/socket/v1/commands';
import type { Event } from '@caas/proto/caas/socket/v1/server_frames';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { rangeOf } from './commands/get-history.ts';
import { LocalConversation, LocalUser } from './delivery/local.ts';
import { RecentSends } from './delivery/recent-sends.ts';
import { Turn } from './delivery/turn.ts';
import type { Connection } from './edge/connection.ts';
import { defaultLimits } from './limits.ts';
import { assertClientId, assertContent } from './model/content.ts';
import { decodeCursor, encodeCursor } from './model/cursor.ts';
import { contentHash, messageIdOf } from './model/message-id.ts';
import { assertManages, assertMayPin, assertMaySend, assertOpen, assertOwner } from './model/rules.ts';
import { participantView } from './model/views.ts';

/** Reason of a refusal, or `ok`. */
const outcome = (act: () => unknown): string => {
  try {
    act();
    return 'ok';
  } catch (error) {
    if (error instanceof CaasError) return error.reason;
    throw error;
  }
};

describe('who may do what', () => {
  const {
    CONVERSATION_KIND_DIRECT: direct,
    CONVERSATION_KIND_GROUP: group,
    CONVERSATION_KIND_CHANNEL: channel,
  } = ConversationKind;
  const { ROLE_MEMBER: member, ROLE_ADMIN: admin, ROLE_OWNER: owner } = Role;
  const denied = 'PERMISSION_DENIED';
  const no = 'FAILED_PRECONDITION';
  const names = { [direct]: 'direct', [group]: 'group', [channel]: 'channel' } as Record<number, string>;
  const roles = { [member]: 'member', [admin]: 'admin', [owner]: 'owner' } as Record<number, string>;

  test.each<[ConversationKind, Role, string, string, string, string]>([
    // kind, role, send, pin, manage, own
    [direct, member, 'ok', 'ok', no, no],
    [group, member, 'ok', 'ok', denied, denied],
    [group, admin, 'ok', 'ok', 'ok', denied],
    [group, owner, 'ok', 'ok', 'ok', 'ok'],
    [channel, member, denied, denied, denied, denied],
    [channel, admin, 'ok', 'ok', 'ok', denied],
    [channel, owner, 'ok', 'ok', 'ok', 'ok'],
    [group, Role.ROLE_UNSPECIFIED, 'ok', 'ok', denied, denied],
  ])('kind %i, role %i', (kind, role, send, pin, manage, own) => {
    const rules = { kind, archived: false, hidesHistory: false };
    const verdicts = [assertMaySend, assertMayPin, assertManages, assertOwner].map((rule) =>
      outcome(() => rule(rules, role)),
    );
    expect([names[kind], roles[role], ...verdicts]).toEqual([names[kind], roles[role], send, pin, manage, own]);
    const archived = { kind, archived: true, hidesHistory: false };
    expect(outcome(() => assertOpen(archived))).toBe('CONVERSATION_ARCHIVED');
    expect(outcome(() => assertMaySend(archived, owner))).toBe('CONVERSATION_ARCHIVED');
    expect(outcome(() => assertMayPin(archived, owner))).toBe('CONVERSATION_ARCHIVED');
  });
});

describe('content', () => {
  const attachment = { mediaId: 'm', name: '', mediaType: '', sizeBytes: 0 };
  const of = (part: Partial<PlainContent>): string =>
    outcome(() => assertContent({ ...PlainContent.fromPartial({}), ...part }, { ...defaultLimits, maxTextBytes: 8 }));

  test.each<[string, Partial<PlainContent>, string]>([
    ['nothing', {}, 'INVALID_ARGUMENT'],
    ['metadata alone', { metadata: { a: 'b' } }, 'INVALID_ARGUMENT'],
    ['an attachment alone', { attachments: [attachment] }, 'ok'],
    ['its most bytes', { text: '12345678' }, 'ok'],
    ['its most bytes in wide characters', { text: '😀😀' }, 'ok'],
    ['one byte more', { text: '123456789' }, 'INVALID_ARGUMENT'],
    ['as many characters but more bytes', { text: 'éééé5' }, 'INVALID_ARGUMENT'],
    ['NUL', { text: '\0' }, 'INVALID_ARGUMENT'],
    ['half a pair', { text: '\ude00' }, 'INVALID_ARGUMENT'],
    ['its most attachments', { attachments: Array(30).fill(attachment) }, 'ok'],
    ['one attachment more', { attachments: Array(31).fill(attachment) }, 'INVALID_ARGUMENT'],
    ['one mention more', { text: 'x', mentions: Array(101).fill('u') }, 'INVALID_ARGUMENT'],
  ])('of %s', (_, part, expected) => {
    expect(of(part)).toBe(expected);
  });

  test.each([
    ['a', 'ok'],
    ['~!', 'ok'],
    ['', 'INVALID_ARGUMENT'],
    ['a b', 'INVALID_ARGUMENT'],
    ['é', 'INVALID_ARGUMENT'],
    ['a\n', 'INVALID_ARGUMENT'],
  ])('a client’s own id %j', (value, expected) => {
    expect(outcome(() => assertClientId(value, 'client_msg_id'))).toBe(expected);
  });
});

describe('a message’s identity', () => {
  test('is its sender’s, its conversation’s and its tenant’s', () => {
    const base = ['t', 'c', 's', 'm'] as const;
    const ids = new Set([
      messageIdOf(...base),
      messageIdOf('t2', 'c', 's', 'm'),
      messageIdOf('t', 'c2', 's', 'm'),
      messageIdOf('t', 'c', 's2', 'm'),
      messageIdOf('t', 'c', 's', 'm2'),
      messageIdOf('tc', '', 's', 'm'),
      messageIdOf('t', 'cs', '', 'm'),
    ]);
    expect(ids.size).toBe(7);
    expect(messageIdOf(...base)).toBe(messageIdOf(...base));
  });

  test('hashes tell contents apart, whatever the order of metadata, and depend on the key', () => {
    const send = (part: Partial<PlainContent>, more: object = {}) => ({
      content: { ...PlainContent.fromPartial({}), ...part },
      replyToMessageId: '',
      threadRootId: '',
      forwardedMessageId: '',
      ...more,
    });
    const hash = (part: Partial<PlainContent>, more?: object, key = 'k', id = 'i'): string =>
      contentHash(key, id, send(part, more)).toString('hex');
    const all = [
      hash({}),
      hash({ text: 'a' }),
      hash({ text: 'a' }, {}, 'other'),
      hash({ text: 'a' }, {}, 'k', 'other'),
      hash({ text: 'a' }, { replyToMessageId: 'r' }),
      hash({ text: 'a' }, { threadRootId: 'r' }),
      hash({ text: 'a', mentions: ['a'] }),
      hash({ text: 'a', metadata: { a: '1', b: '2' } }),
      hash({ text: 'a', metadata: { a: '1b', '2': '' } }),
    ];
    expect(new Set(all).size).toBe(all.length);
    expect(hash({ metadata: { a: '1', b: '2' } })).toBe(hash({ metadata: { b: '2', a: '1' } }));
    const forward = { forwardedMessageId: 'f' };
    expect(hash({ text: 'before' }, forward)).toBe(hash({ text: 'after' }, forward));
    expect(hash({}, forward)).not.toBe(hash({}, { forwardedMessageId: 'g' }));
  });
});

describe('a cursor', () => {
  const cursor = { conversationId: 'c', rev: 7, seq: -1, visibleFromSeq: 3, pastRev: 0 };
  test('comes back as it was given', () => {
    for (const some of [cursor, { ...cursor, pastRev: 9 }]) expect(decodeCursor(encodeCursor(some), 'c')).toEqual(some);
    expect(encodeCursor({ ...cursor, conversationId: 'c'.repeat(64), rev: 2 ** 53 - 1 }).length).toBeLessThan(256);
  });

  const of = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  test.each<[string, string]>([
    ['of another conversation', encodeCursor({ ...cursor, conversationId: 'd' })],
    ['of nothing', ''],
    ['of no base64', '%%%'],
    ['of another version', of([2, 'c', 7, 1, 1])],
    ['of an object', of({ 0: 1, 1: 'c', 2: 7, 3: 1, 4: 1 })],
    ['too short', of([1, 'c', 7])],
    ['of fractions', of([1, 'c', 7.5, 1, 1])],
    ['of text', of([1, 'c', '7', 1, 1])],
    ['of less than there is', of([1, 'c', -2, 1, 1])],
    ['of null', of(null)],
  ])('%s: CURSOR_INVALID', (_, text) => {
    expect(outcome(() => decodeCursor(text, 'c'))).toBe('CURSOR_INVALID');
  });

  test('made of anything is refused or read, never worse', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.jsonValue().map(of)), (text) => {
        expect(['ok', 'CURSOR_INVALID']).toContain(outcome(() => decodeCursor(text, 'c')));
      }),
    );
  });
});

describe('the range of a page', () => {
  const of = (request: Partial<GetHistory>, visibleFromSeq = 0, lastSeq = 100) =>
    rangeOf({ ...GetHistory.fromPartial({ conversationId: 'c' }), ...request }, visibleFromSeq, lastSeq);

  test.each<[Partial<GetHistory>, number, { fromSeq: number; toSeq: number; limit: number; from: string }]>([
    [{}, 0, { fromSeq: 1, toSeq: 100, limit: 50, from: 'newest' }],
    [{ limit: 7 }, 40, { fromSeq: 40, toSeq: 100, limit: 7, from: 'newest' }],
    [{ beforeSeq: 10 }, 0, { fromSeq: 1, toSeq: 9, limit: 50, from: 'newest' }],
    [{ beforeSeq: 1_000 }, 0, { fromSeq: 1, toSeq: 100, limit: 50, from: 'newest' }],
    [{ beforeSeq: 10 }, 40, { fromSeq: 40, toSeq: 9, limit: 50, from: 'newest' }],
    [{ afterSeq: 10 }, 0, { fromSeq: 11, toSeq: 100, limit: 50, from: 'oldest' }],
    [{ afterSeq: 10 }, 40, { fromSeq: 40, toSeq: 100, limit: 50, from: 'oldest' }],
    [{ afterSeq: 100 }, 0, { fromSeq: 101, toSeq: 100, limit: 50, from: 'oldest' }],
    [{ aroundSeq: 50, limit: 10 }, 0, { fromSeq: 45, toSeq: 100, limit: 10, from: 'oldest' }],
    [{ aroundSeq: 1, limit: 10 }, 0, { fromSeq: 1, toSeq: 100, limit: 10, from: 'oldest' }],
    [{ aroundSeq: 99, limit: 10 }, 0, { fromSeq: 91, toSeq: 100, limit: 10, from: 'oldest' }],
    [{ aroundSeq: 2 ** 53 - 1, limit: 10 }, 0, { fromSeq: 91, toSeq: 100, limit: 10, from: 'oldest' }],
    [{ aroundSeq: 5, limit: 10 }, 40, { fromSeq: 40, toSeq: 100, limit: 10, from: 'oldest' }],
  ])('%j from %i', (request, visibleFromSeq, expected) => {
    expect(of(request, visibleFromSeq)).toEqual(expected);
  });

  test('never begins before what the member may read, nor holds more than the limit, around included', () => {
    const seq = fc.integer({ min: 1, max: 300 });
    fc.assert(
      fc.property(
        seq,
        fc.integer({ min: 0, max: 150 }),
        fc.integer({ min: 1, max: 200 }),
        (aroundSeq, visible, limit) => {
          const range = of({ aroundSeq, limit }, visible);
          expect(range.fromSeq).toBeGreaterThanOrEqual(Math.max(1, visible));
          const last = Math.min(range.toSeq, range.fromSeq + limit - 1);
          if (aroundSeq >= Math.max(1, visible) && aroundSeq <= 100) {
            expect(range.fromSeq).toBeLessThanOrEqual(aroundSeq);
            expect(last).toBeGreaterThanOrEqual(aroundSeq);
          }
        },
      ),
    );
  });

  test('by two anchors is refused', () => {
    expect(outcome(() => of({ beforeSeq: 1, aroundSeq: 1 }))).toBe('INVALID_ARGUMENT');
  });
});

describe('recent sends', () => {
  const hash = (text: string): Buffer => Buffer.from(text);
  const sent = (position: number) => Promise.resolve({ position, acceptedAtMs: 1 });

  test('answer a retry as the first time, and refuse other content', async () => {
    const recent = new RecentSends(10);
    expect(recent.find('m', hash('a'))).toBeUndefined();
    recent.add('c', 'm', hash('a'), sent(5));
    expect(await recent.find('m', hash('a'))).toEqual({ position: 5, acceptedAtMs: 1 });
    expect(outcome(() => recent.find('m', hash('b')))).toBe('IDEMPOTENCY_CONFLICT');
  });

  test('forget a send that failed, but not the one that came after it', async () => {
    const recent = new RecentSends(10);
    const failed = Promise.reject(new CaasError('UNAVAILABLE', 'no'));
    recent.add('c', 'm', hash('a'), failed);
    await failed.catch(() => undefined);
    await Promise.resolve();
    expect(recent.find('m', hash('b'))).toBeUndefined();
    const late = Promise.reject(new CaasError('UNAVAILABLE', 'no'));
    recent.add('c', 'n', hash('a'), late);
    recent.add('c', 'n', hash('a'), sent(6));
    await late.catch(() => undefined);
    await Promise.resolve();
    expect(await recent.find('n', hash('a'))).toEqual({ position: 6, acceptedAtMs: 1 });
  });

  test('forget the record that was rejected, and no other of its id', async () => {
    const recent = new RecentSends(10);
    const forgotten = async (position: number): Promise<boolean> => {
      recent.forget('m', position);
      await Promise.resolve();
      await Promise.resolve();
      return recent.find('m', hash('a')) === undefined;
    };
    let accept: (outcome: { position: number; acceptedAtMs: number }) => void = () => undefined;
    recent.add('c', 'm', hash('a'), sent(1));
    expect(await forgotten(2)).toBe(false);
    expect(await forgotten(1)).toBe(true);
    // The rejection may come before the log's own answer.
    recent.add('c', 'm', hash('a'), new Promise((resolve) => (accept = resolve)));
    expect(await forgotten(3)).toBe(false);
    accept({ position: 3, acceptedAtMs: 1 });
    await new Promise((resolve) => setImmediate(resolve));
    expect(recent.find('m', hash('a'))).toBeUndefined();
  });

  test('are at most so many: the oldest go', () => {
    const recent = new RecentSends(3);
    for (let i = 0; i < 5; i++) recent.add('c', `m${i}`, hash('a'), sent(i));
    expect([0, 1, 2, 3, 4].map((i) => recent.find(`m${i}`, hash('a')) !== undefined)).toEqual([
      false,
      false,
      true,
      true,
      true,
    ]);
  });
});

describe('a turn', () => {
  class Listener {
    readonly claims: Claims;
    readonly subprotocol = 'caas.v1.json';
    readonly got: Buffer[] = [];
    constructor(userId: string) {
      this.claims = Claims.fromPartial({ tenantId: 't', userId });
    }
    enqueueEvents(frames: Buffer): void {
      this.got.push(frames);
    }
    flush(): void {}
    texts(): string {
      return Buffer.concat(this.got).toString('latin1');
    }
  }
  const joined = (...userIds: string[]) => {
    const conversation = new LocalConversation('t', 'c');
    const listeners = userIds.map((userId) => {
      const user = new LocalUser('t', userId);
      const listener = new Listener(userId);
      user.connections.add(listener as unknown as Connection);
      conversation.members.set(userId, {
        user,
        role: Role.ROLE_MEMBER,
        visibleFromSeq: 0,
        visibleFromPosition: 0,
        rev: 0,
      });
      return listener;
    });
    conversation.connectionsChanged();
    return { conversation, listeners };
  };
  const typing = (userId: string): Event => ({
    event: { $case: 'typing', value: { conversationId: 'c', userId, typing: true } },
  });

  test('gives all members one and the same buffer, in order', () => {
    const { conversation, listeners } = joined('a', 'b');
    const turn = new Turn();
    turn.publish(conversation, typing('one'));
    turn.publish(conversation, typing('two'));
    turn.flush();
    const [a, b] = listeners as [Listener, Listener];
    expect(a.got).toHaveLength(1);
    expect(a.got[0]).toBe(b.got[0]);
    expect(a.texts().indexOf('one')).toBeLessThan(a.texts().indexOf('two'));
    turn.flush();
    expect(a.got).toHaveLength(1);
  });

  test('keeps from some what is not for them, and that only', () => {
    const { conversation, listeners } = joined('a', 'b', 'c');
    const turn = new Turn();
    turn.publish(conversation, typing('one'));
    turn.publish(conversation, typing('two'), new Set(['b']));
    turn.publish(conversation, typing('three'));
    turn.flush();
    const [a, b, c] = listeners as [Listener, Listener, Listener];
    expect(a.got[0]).toBe(c.got[0]);
    expect(a.texts()).toMatch(/one.*two.*three/s);
    expect(b.texts()).toMatch(/one.*three/s);
    expect(b.texts()).not.toContain('two');
    turn.publish(conversation, typing('four'));
    turn.flush();
    expect(a.got[1]).toBe(b.got[1]);
  });

  test('gives nobody what came before they were in, nor after they left', () => {
    const { conversation, listeners } = joined('a', 'b');
    const turn = new Turn();
    turn.publish(conversation, typing('before'));
    turn.settle(conversation);
    conversation.members.delete('b');
    conversation.connectionsChanged();
    turn.publish(conversation, typing('after'));
    turn.flush();
    const [a, b] = listeners as [Listener, Listener];
    expect(a.texts()).toMatch(/before.*after/s);
    expect(b.texts()).not.toContain('after');
  });
});

test('what is private in a participation is in one’s own view only, and no view is ahead of its head', () => {
  const doc = ParticipantDocument.fromPartial({ userId: 'u', mutedUntilMs: 5, visibleFromSeq: 6, rev: 9, readSeq: 2 });
  expect(participantView(doc, 7, 'u')).toMatchObject({ mutedUntilMs: 5, visibleFromSeq: 6, rev: 7, readSeq: 2 });
  expect(participantView(doc, 10, 'v')).toMatchObject({ mutedUntilMs: 0, visibleFromSeq: 0, rev: 9, readSeq: 2 });
});
