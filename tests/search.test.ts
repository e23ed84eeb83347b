import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '@caas/kit/testing/until';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { KillablePlatform } from './support/killable-platform.ts';
import { signIn, type TestPlatform, testPlatform } from './support/platform.ts';
import { type Frame, RawClient } from './support/raw-client.ts';
import { expectRefusal } from './support/refusal.ts';
import { anotherTenant, operatorToken } from './support/tenants.ts';

describe('search over the socket', () => {
  let platform: TestPlatform;
  const opened: RawClient[] = [];
  let count = 0;

  /** A user who has not been here before, on either node. */
  const enter = async (
    app: Pick<TestPlatform, 'gatewayUrl' | 'app'> = platform,
  ): Promise<RawClient & { userId: string }> => {
    const user = await signIn(app, `user-${++count}`);
    const client = await RawClient.open(platform.socketUrls[count % 2] as string, user.accessToken);
    opened.push(client);
    return Object.assign(client, { userId: user.userId });
  };
  const group = async (
    owner: RawClient,
    members: readonly { userId: string }[],
    over: object = {},
  ): Promise<string> => {
    const memberIds = members.map(({ userId }) => userId);
    const request = { kind: 'CONVERSATION_KIND_GROUP', clientRef: `g${++count}`, memberIds, ...over };
    return (await owner.ask({ createConversation: request })).conversation.conversation.conversationId;
  };
  const say = async (client: RawClient, conversationId: string, text: string): Promise<string> => {
    const sent = await client.ask({ sendMessage: { conversationId, clientMsgId: `m${++count}`, content: { text } } });
    return sent.accepted.messageId;
  };
  const search = async (client: RawClient, query: string, over: object = {}): Promise<Frame> => {
    const { found, error } = await client.ask({ searchMessages: { query, ...over } });
    if (error) throw new Error(JSON.stringify(error));
    return { hits: [], nextCursor: '', lagMs: 0, ...found };
  };
  const find = async (client: RawClient, query: string, over: object = {}): Promise<string[]> =>
    (await search(client, query, over)).hits.map(({ snippet }: { snippet: string }) => snippet);
  const found = (client: RawClient, query: string, count = 1): Promise<string[]> =>
    until(
      `${query} is found`,
      () => find(client, query),
      (hits) => hits.length === count,
    );

  beforeAll(async () => {
    platform = await testPlatform({
      operatorToken,
      limits: { framesPerMinute: 100_000, sendsPerSecond: 1_000, sendsBurst: 1_000 },
    });
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((client) => client.close()));
  });
  afterAll(() => platform.stop());

  test('finds what was said, by words of any language, with its highlights, on either node', async () => {
    const [alice, bob] = [await enter(), await enter()];
    const conversationId = await group(alice, [bob]);
    const messageId = await say(alice, conversationId, 'Die Präsentation 발표자료 ist fertig 👋');
    await found(bob, 'prasentation');
    const { hits } = await search(bob, '발표 FERT');
    expect(hits).toEqual([
      {
        conversationId,
        messageId,
        seq: 1,
        senderId: alice.userId,
        acceptedAtMs: expect.any(Number),
        snippet: 'Die Präsentation 발표자료 ist fertig 👋',
        highlights: [
          { start: 17, length: 2 },
          { start: 26, length: 6 },
        ],
      },
    ]);
    expect(await find(alice, '"ist fertig"')).toHaveLength(1);
    expect(await find(alice, '"fertig ist"')).toEqual([]);
    expect(await find(alice, '👋')).toHaveLength(1);
  });

  test('edits and deletions show within a second of their commit, and nothing of what was', async () => {
    const [alice, bob] = [await enter(), await enter()];
    const conversationId = await group(alice, [bob]);
    const messageId = await say(alice, conversationId, 'the draft');
    await found(bob, 'draft');
    const committed = async (changed: (m: Frame) => unknown): Promise<number> => {
      await bob.waitFor((f) => f.event?.messageChanged && changed(f.event.messageChanged));
      return Date.now();
    };
    await alice.ask({ editMessage: { conversationId, messageId, content: { text: 'the final' } } });
    let atMs = await committed((m) => m.content?.text === 'the final');
    await found(bob, 'final');
    expect(Date.now() - atMs).toBeLessThan(1_000);
    expect(await find(bob, 'draft')).toEqual([]);
    await alice.ask({ deleteMessage: { conversationId, messageId, scope: 'DELETE_SCOPE_FOR_EVERYONE' } });
    atMs = await committed((m) => m.deletedAtMs > 0);
    await found(bob, 'final', 0);
    expect(Date.now() - atMs).toBeLessThan(1_000);
    expect(await search(alice, 'the')).toMatchObject({ hits: [], nextCursor: '' });
  });

  test('what one hid for oneself is not found by oneself, and by others is', async () => {
    const [alice, bob] = [await enter(), await enter()];
    const conversationId = await group(alice, [bob]);
    const messageId = await say(alice, conversationId, 'hide and seek');
    await found(bob, 'seek');
    await bob.ask({ deleteMessage: { conversationId, messageId, scope: 'DELETE_SCOPE_FOR_ME' } });
    await found(bob, 'seek', 0);
    expect(await find(alice, 'seek')).toHaveLength(1);
  });

  test('a stranger, a removed member and another tenant find nothing and learn nothing', async () => {
    const [alice, bob, stranger] = [await enter(), await enter(), await enter()];
    const conversationId = await group(alice, [bob]);
    for (let i = 0; i < 5; i++) await say(alice, conversationId, `topsecret number ${i}`);
    await found(bob, 'topsecret', 5);
    const foreign = await enter(await anotherTenant(platform, 'rivals'));
    const nothing = { hits: [], nextCursor: '', lagMs: 0 };
    for (const client of [stranger, foreign])
      for (const over of [{}, { conversationId }, { byRelevance: true }, { senderIds: [alice.userId] }, { limit: 1 }]) {
        // Word for word what a search for what nobody has said answers.
        expect(await search(client, 'topsecret', over)).toEqual(nothing);
        expect(await search(client, 'neversaid', over)).toEqual(nothing);
      }
    const { nextCursor } = await search(bob, 'topsecret', { limit: 2 });
    await alice.ask({ removeMembers: { conversationId, userIds: [bob.userId] } });
    expect(await search(bob, 'topsecret')).toEqual(nothing);
    expect(await search(bob, 'topsecret', { limit: 2, cursor: nextCursor })).toEqual(nothing);
    // A member's cursor opens nothing to others.
    const borrowed = { searchMessages: { query: 'topsecret', limit: 2, cursor: nextCursor } };
    expectRefusal((await stranger.ask(borrowed)).error, 'CURSOR_INVALID');
  });

  test('who joins later finds what was said from then on, where the history is not for new members', async () => {
    const [alice, bob, late, welcome] = [await enter(), await enter(), await enter(), await enter()];
    const closed = await group(alice, [bob], { historyForNewMembers: false });
    const open = await group(alice, [bob], { historyForNewMembers: true });
    for (const conversationId of [closed, open]) await say(alice, conversationId, 'before the party');
    await found(bob, 'party', 2);
    for (const conversationId of [closed, open])
      await alice.ask({ addMembers: { conversationId, userIds: [late.userId, welcome.userId] } });
    await say(alice, closed, 'after the party');
    await found(bob, 'party', 3);
    expect((await find(late, 'party')).toSorted()).toEqual(['after the party', 'before the party']);
    expect(await find(late, 'party', { conversationId: closed })).toEqual(['after the party']);
    expect(await search(late, 'before', { conversationId: closed })).toMatchObject({ hits: [], nextCursor: '' });
  });

  test('filters and pages narrow what is found, and a page goes on while others write', async () => {
    const [alice, bob] = [await enter(), await enter()];
    const [here, there] = [await group(alice, [bob]), await group(bob, [alice])];
    for (let i = 0; i < 6; i++) await say(i % 2 ? alice : bob, i < 4 ? here : there, `page ${i}`);
    await found(alice, 'page', 6);
    expect(await find(alice, 'page', { conversationId: there })).toEqual(['page 5', 'page 4']);
    expect(await find(alice, 'page', { senderIds: [bob.userId] })).toEqual(['page 4', 'page 2', 'page 0']);
    expect(await find(alice, 'page', { hasAttachment: true })).toEqual([]);
    const { hits } = await search(alice, 'page');
    const [newest] = hits;
    expect(await find(alice, 'page', { fromMs: newest.acceptedAtMs + 1 })).toEqual([]);
    const pages: string[] = [];
    for (let cursor = '', n = 0; n < 10; n++) {
      const page = await search(alice, 'page', { limit: 2, cursor });
      pages.push(...page.hits.map((hit: Frame) => hit.snippet));
      cursor = page.nextCursor;
      await say(alice, here, `page of later ${n}`);
      if (cursor === '') break;
    }
    expect(pages).toEqual(hits.map((hit: Frame) => hit.snippet));
  });

  test('a cursor that was not given for this search is refused', async () => {
    const [alice, bob] = [await enter(), await enter()];
    const conversationId = await group(alice, [bob]);
    for (let i = 0; i < 3; i++) await say(alice, conversationId, `cursor ${i}`);
    await found(alice, 'cursor', 3);
    const { nextCursor } = await search(alice, 'cursor', { limit: 1 });
    const forged = Buffer.from(nextCursor, 'base64url')
      .toString()
      .replace(/\d+\\"\]/, '1 OR 1=1\\"]');
    const searches: object[] = [
      { query: 'cursor', cursor: 'x' },
      { query: 'cursor', cursor: 'A'.repeat(1_024) },
      { query: 'cursor', cursor: Buffer.from(forged).toString('base64url') },
      { query: 'cursors', cursor: nextCursor },
      { query: 'cursor', cursor: nextCursor, byRelevance: true },
      { query: 'cursor', cursor: nextCursor, senderIds: [bob.userId] },
    ];
    for (const searchMessages of searches) expectRefusal((await alice.ask({ searchMessages })).error, 'CURSOR_INVALID');
    expect(await find(alice, 'cursor', { limit: 1, cursor: nextCursor })).toEqual(['cursor 1']);
  });

  test.each(['" OR "1', 'a AND NOT b', 'NEAR(x y)', '{terms} : x', '(((', '\\', "'; DROP TABLE words", '?*:/'])(
    'hostile text is searched for, not obeyed: %j',
    async (query) => {
      const alice = await enter();
      expect(await search(alice, query)).toMatchObject({ hits: [] });
    },
  );

  test('a dead search service costs only searches, and comes back with all that was said meanwhile', async () => {
    const [alice, bob] = [await enter(), await enter()];
    const conversationId = await group(alice, [bob]);
    await say(alice, conversationId, 'outage before');
    await found(alice, 'outage');
    const service = platform.services.get('search');
    await service?.crash();
    const startedMs = Date.now();
    const { error } = await alice.ask({ searchMessages: { query: 'outage' } });
    expectRefusal(error, 'UNAVAILABLE');
    expect(Date.now() - startedMs).toBeLessThan(3_500);
    const messageId = await say(alice, conversationId, 'outage during');
    await bob.waitFor((f) => f.event?.message?.messageId === messageId);
    await until(
      'the history has it',
      async () => (await bob.ask({ getHistory: { conversationId } })).history.messages,
      (messages) => messages.length === 2,
    );
    await service?.restart();
    const hits = await until(
      'both are found',
      () => find(alice, 'outage').catch(() => []),
      (snippets) => snippets.length === 2,
    );
    expect(hits).toEqual(['outage during', 'outage before']);
  }, 20_000);
});

test('a process killed in the middle of indexing finds everything that was accepted once it is back, each once', async () => {
  const platform = await KillablePlatform.start({
    limits: { framesPerMinute: 100_000, sendsPerSecond: 10_000, sendsBurst: 10_000 },
  });
  try {
    const client = await RawClient.open(
      platform.where.socketUrls[0] as string,
      (await signIn(platform.where, 'alice')).accessToken,
    );
    const created = await client.ask({ createConversation: { kind: 'CONVERSATION_KIND_GROUP', clientRef: 'g' } });
    const { conversationId } = created.conversation.conversation;
    const accepted = new Set<string>();
    const send = async (i: number): Promise<void> => {
      const content = { text: `survivor number${i} 생존자` };
      const answer = await client.ask({ sendMessage: { conversationId, clientMsgId: `m${i}`, content } });
      if (answer.accepted) accepted.add(answer.accepted.messageId);
    };
    const sends = Array.from({ length: 600 }, (_, i) => send(i).catch(() => undefined));
    await until(
      'some are accepted',
      () => accepted.size,
      (n) => n > 200,
    );
    await platform.kill();
    await Promise.all(sends);
    await platform.start();
    const again = await RawClient.open(
      platform.where.socketUrls[1] as string,
      (await signIn(platform.where, 'alice')).accessToken,
    );
    const all = async (query: string): Promise<string[]> => {
      const ids: string[] = [];
      for (let cursor = ''; ; ) {
        const { found } = await again.ask({ searchMessages: { query, limit: 100, cursor } });
        ids.push(...(found.hits ?? []).map((hit: Frame) => hit.messageId));
        cursor = found.nextCursor ?? '';
        if (cursor === '') return ids;
      }
    };
    const ids = await until(
      'all are found',
      () => all('생존 survivor'),
      (found) => [...accepted].every((id) => found.includes(id)),
    );
    expect(new Set(ids).size).toBe(ids.length);
    await again.close();
  } finally {
    await platform.remove();
  }
}, 60_000);

test('an installation without search refuses searches by name and keeps no index; with it again all is found', async () => {
  let platform = await testPlatform({ search: false });
  const { dataDir } = platform;
  const alice = async (): Promise<RawClient> =>
    RawClient.open(platform.socketUrls[0] as string, (await signIn(platform, 'alice')).accessToken);
  const restarted = async (search: boolean): Promise<void> => {
    await platform.stop({ remove: false });
    platform = await testPlatform({ dataDir, search });
  };
  const isFound = async (client: RawClient): Promise<unknown> =>
    until(
      'it is found',
      async () => (await client.ask({ searchMessages: { query: 'otorhino' } })).found?.hits ?? [],
      (hits) => hits.length === 1,
    );
  try {
    const client = await alice();
    const created = await client.ask({ createConversation: { kind: 'CONVERSATION_KIND_GROUP', clientRef: 'g' } });
    const { conversationId } = created.conversation.conversation;
    const content = { text: 'said before there was a search: otorhinolaryngology otorhino' };
    expect((await client.ask({ sendMessage: { conversationId, clientMsgId: 'm', content } })).accepted).toBeDefined();
    expectRefusal((await client.ask({ searchMessages: { query: 'said' } })).error, 'UNIMPLEMENTED', {
      command: 'searchMessages',
    });
    await restarted(true);
    await isFound(await alice());
    const index = (): Promise<Buffer> => readFile(join(dataDir, 'search.db'));
    await restarted(false);
    expect((await index()).includes('rhinolaryngology')).toBe(false);
    await restarted(true);
    await isFound(await alice());
    await platform.stop({ remove: false });
    expect((await index()).includes('rhinolaryngology')).toBe(true);
  } finally {
    await platform.stop();
  }
}, 30_000);
