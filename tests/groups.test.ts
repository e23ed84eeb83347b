import { memoryNodeInbox } from '@caas/key-value';
import { until } from '@caas/kit/testing/until';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { signIn, type TestPlatform, type TestUser, testPlatform } from './support/platform.ts';
import { type Frame, RawClient } from './support/raw-client.ts';
import { expectRefusal } from './support/refusal.ts';

const wide = { framesPerMinute: 1_000_000, sendsPerSecond: 100_000, sendsBurst: 100_000 };

interface Person extends TestUser {
  /** One device on each node, and a second one on the first. */
  devices: [RawClient, RawClient, RawClient];
  /** The first of them. */
  main: RawClient;
}

const names = ['alice', 'bob', 'carol', 'dave', 'erin'] as const;
type Name = (typeof names)[number] | 'frank';

describe('groups over two nodes with several devices each', () => {
  let platform: TestPlatform;
  const people = {} as Record<Name, Person>;
  let count = 0;

  beforeAll(async () => {
    platform = await testPlatform({ limits: wide });
    const [one, two] = platform.socketUrls as [string, string];
    await Promise.all(
      [...names, 'frank' as const].map(async (name) => {
        const user = await signIn(platform, name);
        const devices = (await Promise.all(
          [one, two, one].map((url) => RawClient.open(url, user.accessToken)),
        )) as Person['devices'];
        people[name] = { ...user, devices, main: devices[0] };
      }),
    );
  });
  afterAll(async () => {
    await Promise.all(Object.values(people).flatMap(({ devices }) => devices.map((device) => device.close())));
    await platform.stop();
  });

  const conversationOf = async (
    kind: 'GROUP' | 'CHANNEL' | 'DIRECT',
    owner: Name,
    others: readonly Name[],
    more: object = {},
  ): Promise<string> => {
    const reply = await people[owner].main.ask({
      createConversation: {
        kind: `CONVERSATION_KIND_${kind}`,
        ...(kind !== 'DIRECT' && { clientRef: `c${++count}` }),
        memberIds: others.map((name) => people[name].userId),
        ...more,
      },
    });
    return reply.conversation.conversation.conversationId;
  };
  const say = (name: Name, conversationId: string, text: string, device = 0): Promise<Frame> =>
    (people[name].devices[device] as RawClient).ask({
      sendMessage: { conversationId, clientMsgId: `m${++count}`, content: { text } },
    });
  const committed = (name: Name, conversationId: string, seq: number): Promise<Frame> =>
    people[name].main.waitFor((f) => f.event?.head?.conversationId === conversationId && f.event.head.lastSeq >= seq);
  const everyDevice = (who: readonly Name[], matches: (frame: Frame) => unknown): Promise<Frame[]> =>
    Promise.all(who.flatMap((name) => people[name].devices.map((device) => device.waitFor(matches))));
  const userIdOf = (name: Name): string => people[name].userId;
  const changed =
    (conversationId: string, name: Name, holds: (p: Frame) => unknown) =>
    (f: Frame): unknown => {
      const p = f.event?.participantChanged;
      return p && p.conversationId === conversationId && p.userId === userIdOf(name) && holds(p);
    };
  const stateOf = (name: Name, conversationId: string): Promise<Frame> =>
    people[name].main.ask({ getConversation: { conversationId } });
  const syncOf = async (name: Name, conversationId: string, cursor = ''): Promise<Frame> =>
    (await people[name].main.ask({ sync: { conversations: [{ conversationId, cursor }] } })).sync.deltas[0];

  test('every device of every member gets the conversation, its messages once and its head', async () => {
    const id = await conversationOf('GROUP', 'alice', ['bob', 'carol', 'dave', 'erin'], { title: 'five' });
    await everyDevice(names, (f) => f.event?.conversationChanged?.conversationId === id);
    const { messageId } = (await say('bob', id, 'hello', 1)).accepted;
    await everyDevice(names, (f) => f.event?.message?.messageId === messageId);
    await everyDevice(names, (f) => f.event?.head?.conversationId === id && f.event.head.lastSeq === 1);
    for (const name of names)
      for (const device of people[name].devices)
        expect(device.events('message').filter((m) => m.messageId === messageId)).toHaveLength(1);
    for (const device of people.frank.devices) expect(JSON.stringify(device.frames)).not.toContain(id);
  });

  test('an added member is told, reads what was before, and others are told of them', async () => {
    const id = await conversationOf('GROUP', 'alice', ['bob']);
    await say('alice', id, 'before');
    await committed('alice', id, 1);
    const added = await people.alice.main.ask({ addMembers: { conversationId: id, userIds: [userIdOf('frank')] } });
    expect(added.conversation.conversation.memberCount).toBe(3);
    await everyDevice(['frank'], (f) => f.event?.conversationChanged?.conversationId === id);
    await everyDevice(
      ['alice', 'bob'],
      changed(id, 'frank', (p) => p.state === 'PARTICIPANT_STATE_ACTIVE'),
    );
    const { history } = await people.frank.devices[1].ask({ getHistory: { conversationId: id } });
    expect(history.messages.map((m: Frame) => m.content.text)).toEqual(['before']);
    expect((await say('frank', id, 'hi', 1)).accepted).toBeDefined();
    const { conversations } = await people.frank.main.ask({ listConversations: {} });
    expect(conversations.entries.map((e: Frame) => e.conversation.conversationId)).toContain(id);
  });

  test('a removed member is told, then receives and reads nothing more, on any device', async () => {
    const about = { title: 'three', avatarUrl: 'https://a.example/b', metadata: { place: 'here' } };
    const id = await conversationOf('GROUP', 'alice', ['bob', 'carol'], about);
    await everyDevice(['carol'], (f) => f.event?.conversationChanged?.conversationId === id);
    await say('alice', id, 'all three');
    await committed('carol', id, 1);
    const { cursor } = await syncOf('carol', id);
    await people.alice.main.ask({ removeMembers: { conversationId: id, userIds: [userIdOf('carol')] } });
    await everyDevice(
      ['carol', 'bob'],
      changed(id, 'carol', (p) => p.state !== 'PARTICIPANT_STATE_ACTIVE'),
    );
    const secret = (await say('alice', id, 'the two of us')).accepted.messageId;
    await everyDevice(['alice', 'bob'], (f) => f.event?.message?.messageId === secret);
    await committed('alice', id, 2);
    for (const device of people.carol.devices) {
      expectRefusal((await device.ask({ getHistory: { conversationId: id } })).error, 'CONVERSATION_NOT_FOUND');
      expect(JSON.stringify(device.frames)).not.toContain('the two of us');
    }
    expect(await syncOf('carol', id, cursor)).toEqual({
      conversationId: id,
      refused: 'ERROR_REASON_CONVERSATION_NOT_FOUND',
    });
    const { conversations } = await people.carol.main.ask({ listConversations: { includeLeft: true, limit: 200 } });
    const left = conversations.entries.find((e: Frame) => e.conversation.conversationId === id);
    // That it was, and one's own part in it: neither name, nor head, nor what is said there, nor how much.
    expect(left).toEqual({
      conversation: { conversationId: id, kind: 'CONVERSATION_KIND_GROUP' },
      own: expect.objectContaining({ userId: userIdOf('carol'), state: 'PARTICIPANT_STATE_REMOVED' }),
    });
  });

  test('who leaves has left on all devices; sync tells the others; coming back works', async () => {
    const id = await conversationOf('GROUP', 'alice', ['bob', 'dave']);
    const { cursor } = await syncOf('bob', id);
    expect((await people.dave.devices[1].ask({ leaveConversation: { conversationId: id } })).done).toBeDefined();
    await everyDevice(
      ['dave', 'alice'],
      changed(id, 'dave', (p) => p.state === 'PARTICIPANT_STATE_LEFT'),
    );
    expectRefusal((await say('dave', id, 'again', 2)).error, 'CONVERSATION_NOT_FOUND');
    const delta = await syncOf('bob', id, cursor);
    expect(delta.participants.map((p: Frame) => [p.userId, p.state])).toContainEqual([
      userIdOf('dave'),
      'PARTICIPANT_STATE_LEFT',
    ]);
    await people.alice.main.ask({ addMembers: { conversationId: id, userIds: [userIdOf('dave')] } });
    expect((await say('dave', id, 'back', 1)).accepted).toBeDefined();
  });

  test('roles: owners promote and demote, admins manage but not admins, members do not', async () => {
    const id = await conversationOf('GROUP', 'alice', ['bob', 'carol', 'dave']);
    const role = (by: Name, of: Name, to: string): Promise<Frame> =>
      people[by].main.ask({ setMemberRole: { conversationId: id, userId: userIdOf(of), role: `ROLE_${to}` } });
    const remove = (by: Name, of: Name): Promise<Frame> =>
      people[by].main.ask({ removeMembers: { conversationId: id, userIds: [userIdOf(of)] } });
    expectRefusal((await role('bob', 'alice', 'MEMBER')).error, 'PERMISSION_DENIED');
    expectRefusal((await role('bob', 'bob', 'OWNER')).error, 'INVALID_ARGUMENT');
    expectRefusal((await remove('bob', 'carol')).error, 'PERMISSION_DENIED');
    for (const name of ['bob', 'carol'] as const) {
      expect((await role('alice', name, 'ADMIN')).conversation).toBeDefined();
      await everyDevice(
        [name, 'alice'],
        changed(id, name, (p) => p.role === 'ROLE_ADMIN'),
      );
    }
    expectRefusal((await role('bob', 'dave', 'ADMIN')).error, 'PERMISSION_DENIED');
    expectRefusal((await remove('bob', 'carol')).error, 'PERMISSION_DENIED');
    expectRefusal((await remove('bob', 'alice')).error, 'PERMISSION_DENIED');
    expectRefusal((await role('alice', 'frank', 'ADMIN')).error, 'USER_NOT_FOUND');
    expect((await remove('bob', 'dave')).conversation.conversation.memberCount).toBe(3);
    await role('alice', 'bob', 'MEMBER');
    // At once on whatever node, not seconds later.
    expectRefusal((await remove('bob', 'carol')).error, 'PERMISSION_DENIED');
    const onOther = await people.bob.devices[1].ask({ updateConversation: { conversationId: id, title: 'mine' } });
    expectRefusal(onOther.error, 'PERMISSION_DENIED');
  });

  test('title, archive and mute: told to those they concern, on every device', async () => {
    const id = await conversationOf('GROUP', 'alice', ['bob'], { title: 'old', metadata: { a: '1' } });
    await everyDevice(['bob'], (f) => f.event?.conversationChanged?.conversationId === id);
    await people.alice.main.ask({ updateConversation: { conversationId: id, title: 'new' } });
    const seen = await everyDevice(['alice', 'bob'], (f) => f.event?.conversationChanged?.title === 'new');
    expect(seen[0].event.conversationChanged.metadata).toEqual({ a: '1' });

    await people.bob.main.ask({ muteConversation: { conversationId: id, mutedUntilMs: 9_999_999_999_999 } });
    await everyDevice(
      ['bob'],
      changed(id, 'bob', (p) => p.mutedUntilMs === 9_999_999_999_999),
    );
    // What is said to all of the same change does not unsay what is for bob alone.
    await people.bob.main.ask({ markRead: { conversationId: id, seq: 1 } });
    await say('alice', id, 'x');
    await committed('bob', id, 1);
    for (const device of people.bob.devices) {
      const own = device
        .events('participantChanged')
        .filter((p) => p.conversationId === id && p.userId === userIdOf('bob'));
      expect(own.at(-1).mutedUntilMs).toBe(9_999_999_999_999);
    }
    expect((await stateOf('bob', id)).conversation.own.mutedUntilMs).toBe(9_999_999_999_999);
    for (const device of people.alice.devices)
      expect(JSON.stringify(device.events('participantChanged'))).not.toContain('mutedUntilMs');

    await people.alice.main.ask({ archiveConversation: { conversationId: id, archived: true } });
    await everyDevice(['bob'], (f) => f.event?.conversationChanged?.archivedAtMs > 0);
    for (const device of [0, 1]) expectRefusal((await say('bob', id, 'x', device)).error, 'CONVERSATION_ARCHIVED');
    await people.alice.main.ask({ archiveConversation: { conversationId: id, archived: false } });
    await until(
      'sends again',
      () => say('bob', id, 'x', 1),
      (reply) => reply.accepted !== undefined,
    );
  });

  test('a direct conversation is of exactly two, the same from both sides, and not managed', async () => {
    const id = await conversationOf('DIRECT', 'erin', ['frank']);
    expect(await conversationOf('DIRECT', 'frank', ['erin'])).toBe(id);
    const both = await Promise.all([
      conversationOf('DIRECT', 'erin', ['dave']),
      conversationOf('DIRECT', 'dave', ['erin']),
    ]);
    expect(both[0]).toBe(both[1]);
    const create = (memberIds: string[]): Promise<Frame> =>
      people.erin.main.ask({ createConversation: { kind: 'CONVERSATION_KIND_DIRECT', memberIds } });
    expectRefusal((await create([])).error, 'INVALID_ARGUMENT');
    expectRefusal((await create([userIdOf('erin')])).error, 'INVALID_ARGUMENT');
    expectRefusal((await create([userIdOf('bob'), userIdOf('dave')])).error, 'INVALID_ARGUMENT');
    expectRefusal((await create(['nobody'])).error, 'USER_NOT_FOUND', { user_id: 'nobody' });
    const commands = [
      { leaveConversation: { conversationId: id } },
      { addMembers: { conversationId: id, userIds: [userIdOf('bob')] } },
      { updateConversation: { conversationId: id, title: 'x' } },
      { setMemberRole: { conversationId: id, userId: userIdOf('frank'), role: 'ROLE_OWNER' } },
    ];
    for (const command of commands) expectRefusal((await people.erin.main.ask(command)).error, 'FAILED_PRECONDITION');
  });

  test('in a channel admins talk; members read, react and are not told who read', async () => {
    const id = await conversationOf('CHANNEL', 'alice', ['bob', 'carol']);
    await everyDevice(['bob', 'carol'], (f) => f.event?.conversationChanged?.conversationId === id);
    const { messageId } = (await say('alice', id, 'news')).accepted;
    await committed('bob', id, 1);
    expectRefusal((await say('bob', id, 'me too')).error, 'PERMISSION_DENIED');
    expectRefusal((await say('bob', id, 'me too', 1)).error, 'PERMISSION_DENIED');
    const act = { conversationId: id, messageId };
    const { cursor } = await syncOf('carol', id);
    expectRefusal(
      (await people.bob.main.ask({ setTyping: { conversationId: id, typing: true } })).error,
      'PERMISSION_DENIED',
    );
    expectRefusal((await people.bob.main.ask({ setPin: { ...act, pinned: true } })).error, 'PERMISSION_DENIED');
    await people.bob.main.ask({ markRead: { conversationId: id, seq: 1 } });
    await everyDevice(
      ['bob'],
      changed(id, 'bob', (p) => p.readSeq === 1),
    );
    await people.bob.main.ask({ setReaction: { ...act, kind: '🎉', present: true } });
    await everyDevice(['alice', 'carol'], (f) => f.event?.messageChanged?.messageId === messageId);
    for (const device of [...people.alice.devices, ...people.carol.devices])
      expect(device.events('participantChanged').filter((p) => p.conversationId === id && p.readSeq)).toEqual([]);
    const { participants = [], messages } = await syncOf('carol', id, cursor);
    expect(messages).toMatchObject([{ reactions: [{ kind: '🎉' }] }]);
    expect(participants.filter((p: Frame) => p.userId === userIdOf('bob'))).toEqual([]);
  });

  test('typing is told to the others, not to oneself', async () => {
    const id = await conversationOf('GROUP', 'alice', ['bob']);
    await everyDevice(['bob'], (f) => f.event?.conversationChanged?.conversationId === id);
    await people.alice.devices[1].ask({ setTyping: { conversationId: id, typing: true } });
    await everyDevice(['bob'], (f) => f.event?.typing?.conversationId === id);
    await say('alice', id, 'x');
    await committed('alice', id, 1);
    for (const device of people.alice.devices)
      expect(device.events('typing').filter((t) => t.conversationId === id)).toEqual([]);
  });

  test('who joins without history sees none of it: not in pages, sync, pins, threads, acts, nor by edits of it', async () => {
    const id = await conversationOf('GROUP', 'alice', ['bob'], { historyForNewMembers: false });
    const old = (await say('alice', id, 'old secret')).accepted.messageId;
    await people.bob.main.ask({
      sendMessage: { conversationId: id, clientMsgId: 'r', threadRootId: old, content: { text: 'old reply' } },
    });
    await committed('alice', id, 2);
    await people.alice.main.ask({ setPin: { conversationId: id, messageId: old, pinned: true } });
    await people.alice.main.ask({ addMembers: { conversationId: id, userIds: [userIdOf('carol')] } });
    await everyDevice(['carol'], (f) => f.event?.conversationChanged?.conversationId === id);
    await people.alice.main.ask({
      editMessage: { conversationId: id, messageId: old, content: { text: 'old secret, edited' } },
    });
    await everyDevice(['bob'], (f) => f.event?.messageChanged?.content?.text === 'old secret, edited');
    const { main } = people.carol;
    const ask = async (command: Frame): Promise<string> => JSON.stringify(await main.ask(command));
    // While the last message is one of those.
    for (const command of [{ listConversations: { limit: 200 } }, { getConversation: { conversationId: id } }])
      expect(await ask(command)).not.toContain('old ');
    await say('alice', id, 'new');
    await committed('carol', id, 3);
    const texts = (await main.ask({ getHistory: { conversationId: id, aroundSeq: 1 } })).history.messages;
    expect(texts.map((m: Frame) => m.content.text)).toEqual(['new']);
    expect((await main.ask({ getHistory: { conversationId: id, beforeSeq: 3 } })).history.messages).toBeUndefined();
    for (const command of [
      { sync: { conversations: [{ conversationId: id }] } },
      { listPins: { conversationId: id } },
      { getThread: { conversationId: id, rootMessageId: old } },
      { listConversations: { limit: 200 } },
    ])
      expect(await ask(command)).not.toContain('old ');
    const act = { conversationId: id, messageId: old };
    for (const command of [
      { setReaction: { ...act, kind: 'x', present: true } },
      { setPin: { ...act, pinned: false } },
      { deleteMessage: { ...act, scope: 'DELETE_SCOPE_FOR_ME' } },
      { forwardMessage: { fromConversationId: id, messageId: old, toConversationId: id, clientMsgId: 'f' } },
    ])
      expectRefusal((await main.ask(command)).error, 'MESSAGE_NOT_FOUND');
    for (const device of people.carol.devices) expect(JSON.stringify(device.frames)).not.toContain('old secret');
    expect((await stateOf('carol', id)).conversation.unreadCount).toBe(1);
  });

  describe('what is someone else’s', () => {
    test('a conversation one is not in and one that is not are the same: CONVERSATION_NOT_FOUND', async () => {
      const theirs = await conversationOf('GROUP', 'alice', ['bob']);
      const { messageId } = (await say('alice', theirs, 'private')).accepted;
      await committed('alice', theirs, 1);
      const answers = async (conversationId: string): Promise<Frame[]> => {
        const key = { conversationId };
        const act = { ...key, messageId };
        const commands = [
          { sendMessage: { ...key, clientMsgId: 'x', content: { text: 'x' } } },
          { sendMessage: { ...key, clientMsgId: 'x', content: { text: 'x' }, retry: true } },
          { editMessage: { ...act, content: { text: 'x' } } },
          { deleteMessage: { ...act, scope: 'DELETE_SCOPE_FOR_EVERYONE' } },
          {
            forwardMessage: {
              fromConversationId: conversationId,
              messageId,
              toConversationId: conversationId,
              clientMsgId: 'x',
            },
          },
          { setReaction: { ...act, kind: 'x', present: true } },
          { setPin: { ...act, pinned: true } },
          { updateConversation: { ...key, title: 'x' } },
          { archiveConversation: { ...key, archived: true } },
          { addMembers: { ...key, userIds: [userIdOf('frank')] } },
          { removeMembers: { ...key, userIds: [userIdOf('bob')] } },
          { setMemberRole: { ...key, userId: userIdOf('bob'), role: 'ROLE_OWNER' } },
          { leaveConversation: key },
          { muteConversation: { ...key, mutedUntilMs: 1 } },
          { markDelivered: { ...key, seq: 1 } },
          { markRead: { ...key, seq: 1 } },
          { setTyping: { ...key, typing: true } },
          { getConversation: key },
          { listMembers: key },
          { getHistory: key },
          { getThread: { ...key, rootMessageId: messageId } },
          { listPins: key },
        ];
        const list: Frame[] = [];
        for (const command of commands) {
          const { error } = await people.frank.main.ask(command);
          expectRefusal(error, 'CONVERSATION_NOT_FOUND');
          list.push({ ...error, traceId: '' });
        }
        return list;
      };
      expect(await answers(theirs)).toEqual(await answers('AAAAAAAAAAAAAAAAAAAAAA'));
      expect((await stateOf('alice', theirs)).conversation.conversation.memberCount).toBe(2);
    });

    test('messages are edited by their senders only, deleted by senders and managers', async () => {
      const id = await conversationOf('GROUP', 'alice', ['bob', 'carol']);
      const { messageId } = (await say('bob', id, 'mine')).accepted;
      await committed('alice', id, 1);
      const act = { conversationId: id, messageId };
      const edit = { editMessage: { ...act, content: { text: 'yours' } } };
      for (const name of ['alice', 'carol'] as const)
        expectRefusal((await people[name].main.ask(edit)).error, 'PERMISSION_DENIED');
      const wipe = { deleteMessage: { ...act, scope: 'DELETE_SCOPE_FOR_EVERYONE' } };
      expectRefusal((await people.carol.main.ask(wipe)).error, 'PERMISSION_DENIED');
      // Hidden for oneself alone, on all of one's devices.
      await people.carol.main.ask({ deleteMessage: { ...act, scope: 'DELETE_SCOPE_FOR_ME' } });
      await everyDevice(['carol'], (f) => f.event?.messageHidden?.messageId === messageId);
      expect((await people.carol.main.ask({ getHistory: { conversationId: id } })).history.messages).toBeUndefined();
      for (const device of people.bob.devices) expect(device.events('messageHidden')).toEqual([]);
      expect((await people.alice.main.ask(wipe)).accepted).toBeDefined();
      await everyDevice(
        ['bob'],
        (f) => f.event?.messageChanged?.messageId === messageId && f.event.messageChanged.deletedAtMs,
      );
      // A tombstone takes nothing more, and a message is found in its own conversation only.
      expectRefusal((await people.bob.main.ask(edit)).error, 'MESSAGE_NOT_FOUND');
      const other = await conversationOf('GROUP', 'alice', ['bob']);
      const elsewhere = { editMessage: { ...edit.editMessage, conversationId: other } };
      expectRefusal((await people.bob.main.ask(elsewhere)).error, 'MESSAGE_NOT_FOUND');
    });

    test('a cursor of another conversation or of nobody: CURSOR_INVALID', async () => {
      const [one, other] = [await conversationOf('GROUP', 'alice', []), await conversationOf('GROUP', 'alice', [])];
      const { cursor } = await syncOf('alice', one);
      for (const wrong of [cursor, 'nonsense', Buffer.from('[1,"x"]').toString('base64url'), '_']) {
        expect(await syncOf('alice', other, wrong)).toEqual({
          conversationId: other,
          refused: 'ERROR_REASON_CURSOR_INVALID',
        });
      }
    });

    test('reading further than there is counts as reading all there is', async () => {
      const id = await conversationOf('GROUP', 'alice', ['bob']);
      await say('alice', id, 'one');
      await committed('bob', id, 1);
      await people.bob.main.ask({ markRead: { conversationId: id, seq: 9_007_199_254_740_991 } });
      await everyDevice(
        ['alice'],
        changed(id, 'bob', (p) => p.readSeq === 1),
      );
      await say('alice', id, 'two');
      await committed('bob', id, 2);
      expect((await stateOf('bob', id)).conversation.unreadCount).toBe(1);
    });
  });

  describe('the same client_msg_id', () => {
    const send = (device: RawClient, conversationId: string, text: string, more: object = {}): Promise<Frame> =>
      device.ask({ sendMessage: { conversationId, clientMsgId: 'same', content: { text }, ...more } });

    test('with other content: IDEMPOTENCY_CONFLICT on this node, and on the other once it can know', async () => {
      const id = await conversationOf('GROUP', 'alice', ['bob']);
      const [here, there] = people.alice.devices;
      const first = (await send(here, id, 'one')).accepted;
      expectRefusal((await send(here, id, 'two')).error, 'IDEMPOTENCY_CONFLICT');
      await committed('alice', id, 1);
      expectRefusal((await send(there, id, 'two', { retry: true })).error, 'IDEMPOTENCY_CONFLICT');
      expect((await send(there, id, 'one', { retry: true })).accepted).toMatchObject({
        messageId: first.messageId,
        position: first.position,
        acceptedAtMs: first.acceptedAtMs,
      });
      // Another's same id is another message.
      expect((await send(people.bob.main, id, 'two')).accepted.messageId).not.toBe(first.messageId);
    });

    test('through both nodes at once: one stands, and the sender of the other is told it was rejected', async () => {
      const id = await conversationOf('GROUP', 'alice', ['bob']);
      const [here, there] = people.alice.devices;
      const both = await Promise.all([send(here, id, 'one'), send(there, id, 'two')]);
      const [one, two] = both.map((answer) => answer.accepted);
      expect(one.messageId).toBe(two.messageId);
      const [told] = await everyDevice(['alice'], (f) => f.event?.rejected?.conversationId === id);
      const { error, position } = told.event.rejected;
      expectRefusal(error, 'IDEMPOTENCY_CONFLICT');
      const loser = one.position === position ? 'one' : 'two';
      expect([one.position, two.position]).toContain(position);
      await committed('alice', id, 1);
      const { history } = await people.bob.main.ask({ getHistory: { conversationId: id } });
      expect(history.messages.map((m: Frame) => m.content.text)).toEqual([loser === 'one' ? 'two' : 'one']);
      for (const device of people.bob.devices) expect(device.events('rejected')).toEqual([]);
    });

    test('gets the same answer again, also after other content under it was rejected', async () => {
      const id = await conversationOf('GROUP', 'alice', ['bob']);
      const [here, there] = people.alice.devices;
      const first = (await send(here, id, 'one')).accepted;
      await send(there, id, 'two');
      await everyDevice(['alice'], (f) => f.event?.rejected?.conversationId === id);
      expect((await send(here, id, 'one')).accepted).toMatchObject({ position: first.position });
      // The node that took the other content does not hold it against what was kept.
      expect((await send(there, id, 'one')).accepted).toMatchObject({ messageId: first.messageId });
      await say('alice', id, 'after');
      await committed('alice', id, 2);
      const { history } = await people.bob.main.ask({ getHistory: { conversationId: id } });
      expect(history.messages.map((m: Frame) => m.content.text)).toEqual(['one', 'after']);
    });

    test('of a forward is safe to repeat after its original was edited', async () => {
      const id = await conversationOf('GROUP', 'alice', ['bob']);
      const { messageId } = (await say('alice', id, 'draft')).accepted;
      await committed('alice', id, 1);
      const forward = (): Promise<Frame> =>
        people.bob.main.ask({
          forwardMessage: { fromConversationId: id, messageId, toConversationId: id, clientMsgId: 'f', retry: true },
        });
      const first = (await forward()).accepted;
      await people.alice.main.ask({ editMessage: { conversationId: id, messageId, content: { text: 'final' } } });
      await everyDevice(['bob'], (f) => f.event?.messageChanged?.messageId === messageId);
      expect((await forward()).accepted).toMatchObject({ messageId: first.messageId, position: first.position });
    });
  });

  describe('what nodes share may be lost', () => {
    /** What every inbox does, to be changed for a while. */
    const inboxes = Object.getPrototypeOf(memoryNodeInbox()) as {
      send(node: string, bytes: Uint8Array): Promise<void>;
    };

    test('FLUSHALL in the middle: messages go on, reach the other node again within seconds, none is lost', async () => {
      const id = await conversationOf('GROUP', 'alice', ['bob']);
      await everyDevice(['bob'], (f) => f.event?.conversationChanged?.conversationId === id);
      const sent: string[] = [];
      const flushed = Date.now();
      platform.flushSharedState();
      const bob = people.bob.devices[1];
      const reaches = async (): Promise<boolean> => {
        const { messageId } = (await say('alice', id, `n${sent.length}`)).accepted;
        sent.push(messageId);
        const deadline = Date.now() + 100;
        while (Date.now() < deadline) {
          if (bob.events('message').some((m) => m.messageId === messageId)) return true;
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
        return false;
      };
      await until('the fast way stands again', reaches, Boolean, 5_000);
      expect(Date.now() - flushed).toBeLessThan(4_000);
      const delta = await until(
        'all is there',
        () => syncOf('bob', id),
        (d) => d.head?.lastSeq === sent.length,
      );
      expect(delta.messages.map((m: Frame) => m.messageId)).toEqual(sent);
    });

    test('presence is told across nodes, after FLUSHALL too, and no more once it is not watched', async () => {
      const watcher = people.alice.devices[0];
      const away = await signIn(platform, 'grace');
      const there = platform.socketUrls[1] as string;
      const watch = (userIds: string[]): Promise<Frame> => watcher.ask({ watchPresence: { userIds } });
      expect((await watch([away.userId])).presence.presences).toEqual([{ userId: away.userId }]);
      const told = () => watcher.events('presence').filter((p) => p.userId === away.userId);
      const visit = async (): Promise<void> => (await RawClient.open(there, away.accessToken)).close();
      await visit();
      await until('came and went', told, (events) => events.at(0)?.online && events.length === 2 && !events[1].online);
      const flushed = told().length;
      platform.flushSharedState();
      await until(
        'told again',
        async () => {
          await visit();
          const toldNow = until('told', told, (events) => events.length > flushed, 200);
          return toldNow.then(Boolean, () => false);
        },
        Boolean,
        5_000,
      );
      await until('gone again', told, (events) => !events.at(-1)?.online);
      // Another who watches is told of both, the going last; by then so would be who watched before.
      await watch([userIdOf('bob')]);
      const before = told().length;
      const other = people.carol.main;
      await other.ask({ watchPresence: { userIds: [away.userId] } });
      const toldOther = () => other.events('presence').filter((p) => p.userId === away.userId);
      await visit();
      await until(
        'the other is told',
        toldOther,
        (events) =>
          events.findIndex((e) => e.online) < events.findLastIndex((e) => !e.online) && events.some((e) => e.online),
      );
      expect((await watch([])).presence).toBeDefined();
      expect(told()).toHaveLength(before);
      await other.ask({ watchPresence: { userIds: [] } });
    });

    test('lost envelopes: within seconds a head without prev_head_rev says so, and sync has all', async () => {
      const id = await conversationOf('GROUP', 'alice', ['bob']);
      await everyDevice(['bob'], (f) => f.event?.conversationChanged?.conversationId === id);
      const bob = people.bob.devices[1];
      const { cursor } = (await bob.ask({ sync: { conversations: [{ conversationId: id }] } })).sync.deltas[0];
      const { send } = inboxes;
      const sent: string[] = [];
      inboxes.send = async () => undefined;
      try {
        for (let i = 0; i < 5; i++) sent.push((await say('alice', id, `lost ${i}`)).accepted.messageId);
        const repaired = (f: Frame) => f.event?.head?.conversationId === id && f.event.head.lastSeq === 5;
        const { head } = (await bob.waitFor(repaired, 6_000)).event;
        expect(head.prevHeadRev).toBeUndefined();
      } finally {
        inboxes.send = send;
      }
      expect(bob.events('message').filter((m) => m.conversationId === id)).toEqual([]);
      const delta = (await bob.ask({ sync: { conversations: [{ conversationId: id, cursor }] } })).sync.deltas[0];
      expect(delta.messages.map((m: Frame) => m.messageId)).toEqual(sent);
      // A change of members is not missed either.
      const after = (await say('alice', id, 'found')).accepted.messageId;
      await bob.waitFor((f) => f.event?.message?.messageId === after);
    });

    test('who is added to a conversation their node has not heard of is told, though the notices are lost', async () => {
      const [one, two] = platform.socketUrls as [string, string];
      const [owner, added] = [await signIn(platform, 'henry'), await signIn(platform, 'ivy')];
      const henry = await RawClient.open(one, owner.accessToken);
      const ivy = await RawClient.open(two, added.accessToken);
      const { send } = inboxes;
      inboxes.send = async () => undefined;
      let id = '';
      try {
        const create = { kind: 'CONVERSATION_KIND_GROUP', memberIds: [added.userId], clientRef: 'lost-join' };
        id = (await henry.ask({ createConversation: create })).conversation.conversation.conversationId;
        await ivy.waitFor((f) => f.event?.conversationChanged?.conversationId === id);
      } finally {
        inboxes.send = send;
      }
      await henry.ask({ sendMessage: { conversationId: id, clientMsgId: 'm', content: { text: 'welcome' } } });
      await ivy.waitFor((f) => f.event?.message?.content?.text === 'welcome');
      await Promise.all([henry.close(), ivy.close()]);
    });

    test('a removal whose notices are lost still ends delivery within seconds', async () => {
      const id = await conversationOf('GROUP', 'alice', ['bob']);
      await everyDevice(['bob'], (f) => f.event?.conversationChanged?.conversationId === id);
      const { send } = inboxes;
      inboxes.send = async () => undefined;
      try {
        await people.alice.main.ask({ removeMembers: { conversationId: id, userIds: [userIdOf('bob')] } });
        await everyDevice(
          ['bob'],
          changed(id, 'bob', (p) => p.state === 'PARTICIPANT_STATE_REMOVED'),
        );
      } finally {
        inboxes.send = send;
      }
      const { messageId } = (await say('alice', id, 'alone')).accepted;
      await committed('alice', id, 1);
      for (const device of people.bob.devices)
        expect(device.events('message').some((m) => m.messageId === messageId)).toBe(false);
    });
  });
});
