import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CryptoUnderTest, startCrypto } from '@caas/crypto/testing';
import { until } from '@caas/kit/testing/until';
import { platformConfig } from '@caas/platform';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { signIn, type TestPlatform, type TestUser, testPlatform } from './support/platform.ts';
import { type Frame, RawClient } from './support/raw-client.ts';

const canary = 'canary-7d2c-whispers';
/** A word of it: the index of search holds those in the clear, one after the other. */
const word = 'whispers';

/** Everything that lies in the data folder, by file. */
const filesOf = async (folder: string): Promise<Map<string, Buffer>> => {
  const files = new Map<string, Buffer>();
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true }))
    if (entry.isFile()) {
      const path = join(entry.parentPath, entry.name);
      files.set(path, await readFile(path).catch(() => Buffer.alloc(0)));
    }
  return files;
};
const filesWith = async (folder: string, text: string): Promise<string[]> =>
  [...(await filesOf(folder))].filter(([, bytes]) => bytes.includes(text)).map(([path]) => path);

/** Files of the search index, which is purged where keys are destroyed. */
const isOfIndex = (file: string): boolean => /\/search\.db(-wal|-shm)?$/.test(file);
const unindexedWith = async (folder: string, text: string): Promise<string[]> =>
  (await filesWith(folder, text)).filter((file) => !isOfIndex(file));

describe('content at rest', () => {
  let platform: TestPlatform;
  let [alice, bob] = [] as unknown as [TestUser, TestUser];
  let [a, b] = [] as unknown as [RawClient, RawClient];
  let conversationId: string;
  beforeAll(async () => {
    platform = await testPlatform();
    [alice, bob] = [await signIn(platform, 'alice'), await signIn(platform, 'bob')];
    const [one, two] = platform.socketUrls as [string, string];
    a = await RawClient.open(one, alice.accessToken);
    b = await RawClient.open(two, bob.accessToken);
    const create = { kind: 'CONVERSATION_KIND_GROUP', memberIds: [bob.userId], clientRef: 'sealed' };
    const { conversation } = await a.ask({ createConversation: create });
    conversationId = conversation.conversation.conversationId;
  });
  afterAll(() => platform.stop());

  const send = (client: RawClient, clientMsgId: string, content: Frame): Promise<Frame> =>
    client.ask({ sendMessage: { conversationId, clientMsgId, content } });
  const committed = (count: number): Promise<Frame> =>
    until(
      'committed',
      () => b.ask({ getHistory: { conversationId } }),
      ({ history }) => history?.head.lastSeq >= count,
    );

  test('is in no file, and its words in that of the index alone, after sends, edits and forwards and after the stop; readers read it', async () => {
    const content = { text: canary, metadata: { note: canary } };
    const { messageId } = (await send(a, 'one', content)).accepted;
    await b.waitFor((f) => f.event?.message?.content?.text === canary);
    await committed(1);
    const edited = { text: `${canary}, edited` };
    expect((await a.ask({ editMessage: { conversationId, messageId, content: edited } })).accepted).toBeDefined();
    await b.waitFor((f) => f.event?.messageChanged?.content?.text === edited.text);
    const forward = { fromConversationId: conversationId, messageId, toConversationId: conversationId };
    expect((await b.ask({ forwardMessage: { ...forward, clientMsgId: 'f' } })).accepted).toBeDefined();
    const { history } = await committed(2);
    expect(history.messages).toMatchObject([{ content: edited }, { content: edited, senderId: bob.userId }]);
    const thread = { conversationId, clientMsgId: 't', content: { text: canary }, threadRootId: messageId };
    expect((await b.ask({ sendMessage: thread })).accepted).toBeDefined();
    await committed(3);
    expect((await a.ask({ setPin: { conversationId, messageId, pinned: true } })).error).toBeUndefined();
    await b.waitFor((f) => f.event?.messageChanged?.pinnedAtMs);
    const answers = await Promise.all([
      b.ask({ getThread: { conversationId, rootMessageId: messageId } }),
      b.ask({ listPins: { conversationId } }),
      b.ask({ sync: { conversations: [{ conversationId }] } }),
      b.ask({ getConversation: { conversationId } }),
      b.ask({ listConversations: {} }),
    ]);
    for (const answer of answers) {
      expect(JSON.stringify(answer)).toContain(canary);
      expect(JSON.stringify(answer)).not.toContain('unreadable');
    }
    expect(await filesWith(platform.dataDir, canary)).toEqual([]);
    await until(
      'found',
      () => a.ask({ searchMessages: { query: word } }),
      ({ found }) => found?.hits?.length === 3,
    );
    expect(await unindexedWith(platform.dataDir, word)).toEqual([]);
    await platform.stop({ remove: false });
    expect(await filesWith(platform.dataDir, canary)).toEqual([]);
    expect(await unindexedWith(platform.dataDir, word)).toEqual([]);
    expect(await filesWith(platform.dataDir, word)).not.toEqual([]);
    expect((await filesOf(platform.dataDir)).size).toBeGreaterThan(5);
  }, 30_000);
});

const reasonOf = (answer: Frame): string => answer.error?.reason ?? 'none';
const room = async (platform: TestPlatform, ...names: string[]) => {
  const users = await Promise.all(names.map((name) => signIn(platform, name)));
  const clients = await Promise.all(
    users.map((user, i) => RawClient.open(platform.socketUrls[i % 2] as string, user.accessToken)),
  );
  const create = {
    kind: 'CONVERSATION_KIND_GROUP',
    memberIds: users.slice(1).map(({ userId }) => userId),
    clientRef: 'r',
  };
  const { conversation } = await (clients[0] as RawClient).ask({ createConversation: create });
  return { users, clients, conversationId: conversation.conversation.conversationId as string };
};

describe('a user whose keys are destroyed', () => {
  let platform: TestPlatform;
  /** Another process of crypto on the same keys, as installations run several: compliance calls it. */
  let crypto: CryptoUnderTest;
  beforeAll(async () => {
    platform = await testPlatform();
    crypto = await startCrypto(platform.dataDir);
  });
  afterAll(async () => {
    await crypto.stop();
    await platform.stop();
  });

  test('leaves messages that nobody can read, everywhere and at once, and writes no more; others go on', async () => {
    const { users, clients, conversationId } = await room(platform, 'erin', 'frank', 'grace');
    const [erin] = users as [TestUser, TestUser, TestUser];
    const [e, f] = clients as [RawClient, RawClient, RawClient];
    const send = (client: RawClient, clientMsgId: string, text: string): Promise<Frame> =>
      client.ask({ sendMessage: { conversationId, clientMsgId, content: { text } } });
    const { messageId } = (await send(e, 'one', 'words of erin')).accepted;
    await send(f, 'two', 'words of frank');
    await send(e, 'three', 'more erinscanary 단어들');
    const history = (client: RawClient): Promise<Frame> => client.ask({ getHistory: { conversationId } });
    const committed = await until(
      'committed',
      () => history(f),
      ({ history: page }) => page?.head.lastSeq >= 3,
    );
    expect(JSON.stringify(committed)).toContain('words of erin');

    const search = async (query: string): Promise<string[]> =>
      ((await f.ask({ searchMessages: { query } })).found?.hits ?? []).map(({ snippet }: Frame) => snippet);
    for (const query of ['erinscanary', '단어'])
      await until(
        'found',
        () => search(query),
        (hits) => hits.join() === 'more erinscanary 단어들',
      );
    expect(await filesWith(platform.dataDir, 'erinscanary')).not.toEqual([]);
    const { keys } = await crypto.compliance.destroyUserKeys({ tenantId: 'dev', userId: erin.userId });
    expect(keys).toHaveLength(1);
    const gone = (message: Frame): boolean => message.unreadable === true && message.content === undefined;
    for (const client of [e, f]) {
      const { history: page } = await until(
        'unreadable',
        () => history(client),
        (answer) => gone(answer.history?.messages[0] ?? {}),
      );
      expect(page.messages.map((m: Frame) => [m.seq, gone(m)])).toEqual([
        [1, true],
        [2, false],
        [3, true],
      ]);
      expect(page.messages[1].content.text).toBe('words of frank');
    }
    const answers = await Promise.all([
      f.ask({ sync: { conversations: [{ conversationId }] } }),
      f.ask({ getConversation: { conversationId } }),
      f.ask({ listConversations: {} }),
    ]);
    for (const answer of answers) {
      expect(JSON.stringify(answer)).toContain('"unreadable":true');
      expect(JSON.stringify(answer)).not.toContain('words of erin');
    }
    for (const query of ['erinscanary', '단어']) expect(await search(query)).toEqual([]);
    expect(await search('words')).toEqual(['words of frank']);
    await until(
      'purged',
      () => filesWith(platform.dataDir, 'erinscanary'),
      (files) => files.length === 0,
    );
    // What changes about such a message is told, and what it said is not.
    expect(
      (await f.ask({ setReaction: { conversationId, messageId, kind: 'up', present: true } })).error,
    ).toBeUndefined();
    const changed = await f.waitFor((frame) => frame.event?.messageChanged?.reactions?.length === 1);
    expect(gone(changed.event.messageChanged)).toBe(true);
    const forward = { fromConversationId: conversationId, messageId, toConversationId: conversationId };
    const forwarded = await f.ask({ forwardMessage: { ...forward, clientMsgId: 'f' } });
    expect(reasonOf(forwarded)).toBe('ERROR_REASON_MESSAGE_NOT_FOUND');
    const refused = await until(
      'refused',
      () => send(e, `later-${Date.now()}`, 'no'),
      (answer) => answer.error,
    );
    expect(reasonOf(refused)).toBe('ERROR_REASON_USER_DEACTIVATED');
    const edit = await e.ask({ editMessage: { conversationId, messageId, content: { text: 'no' } } });
    expect(reasonOf(edit)).toBe('ERROR_REASON_USER_DEACTIVATED');
    expect((await send(f, 'four', 'frank goes on')).accepted).toBeDefined();
    await until(
      'still in step',
      () => history(f),
      ({ history: page }) => page?.head.lastSeq >= 4,
    );
    for (const client of clients) await client.close();
  }, 30_000);
});

describe('while crypto is away', () => {
  const graceMs = 1_500;
  let platform: TestPlatform;
  beforeAll(async () => {
    const { services } = platformConfig({ CRYPTO_HOLDER_GRACE: `${graceMs}ms` });
    platform = await testPlatform({ services });
  });
  afterAll(() => platform.stop());
  const timed = async (ask: Promise<Frame>): Promise<{ answer: Frame; ms: number }> => {
    const startedAt = performance.now();
    const answer = await ask;
    return { answer, ms: performance.now() - startedAt };
  };

  test('held keys go on for the grace, then sends are told to come again; nothing hangs, and all goes on after', async () => {
    const { clients, conversationId } = await room(platform, 'henry', 'iris', 'judy');
    const [h, i, j] = clients as [RawClient, RawClient, RawClient];
    let number = 0;
    const send = (client: RawClient): Promise<Frame> =>
      client.ask({ sendMessage: { conversationId, clientMsgId: `m${++number}`, content: { text: `text ${number}` } } });
    expect((await send(h)).accepted).toBeDefined();
    const history = (client: RawClient): Promise<Frame> => client.ask({ getHistory: { conversationId } });
    await until(
      'committed',
      () => history(i),
      (answer) => answer.history?.head.lastSeq >= 1,
    );
    await platform.services.get('crypto')?.crash();
    const crashedAt = performance.now();
    expect((await send(h)).accepted).toBeDefined();
    await i.waitFor((frame) => frame.event?.message?.content?.text === 'text 2');
    await until(
      'read with held keys',
      () => history(h),
      (answer) => answer.history?.head.lastSeq >= 2,
    );

    const refused = await until(
      'refused',
      // Slower than a user's rate allows.
      () => new Promise((resolve) => setTimeout(resolve, 150)).then(() => timed(send(h))),
      ({ answer }) => answer.error,
    );
    expect(performance.now() - crashedAt).toBeGreaterThan(graceMs / 2);
    expect(refused.answer.error).toMatchObject({ reason: 'ERROR_REASON_UNAVAILABLE', retryable: true });
    expect(refused.answer.error.retryAfterMs).toBeGreaterThan(0);
    expect(refused.answer.error.traceId).toMatch(/^[0-9a-f]{32}$/);
    for (const ask of [history(j), j.ask({ sync: { conversations: [{ conversationId }] } })]) {
      const { answer, ms } = await timed(ask);
      expect(JSON.stringify(answer)).toContain('ERROR_REASON_HISTORY_UNAVAILABLE');
      expect(ms).toBeLessThan(4_000);
    }
    // What needs no key goes on: conversations, members, receipts, presence, and who comes in.
    expect((await h.ask({ updateConversation: { conversationId, title: 'still' } })).conversation).toBeDefined();
    expect((await j.ask({ markRead: { conversationId, seq: 1 } })).error).toBeUndefined();
    const kate = await signIn(platform, 'kate');
    const k = await RawClient.open(platform.socketUrls[0] as string, kate.accessToken);
    const { answer, ms } = await timed(k.ask({ listConversations: {} }));
    expect(answer.conversations).toBeDefined();
    expect(ms).toBeLessThan(1_000);

    await platform.services.get('crypto')?.restart();
    await until(
      'sends again',
      () => new Promise((resolve) => setTimeout(resolve, 150)).then(() => send(j)),
      ({ accepted }) => accepted !== undefined,
    );
    const after = await until(
      'reads again',
      () => history(k.closed ? h : i),
      (a) => a.history?.messages.length >= 3,
    );
    expect(JSON.stringify(after)).not.toContain('unreadable');
    for (const client of [...clients, k]) await client.close();
  }, 40_000);
});

test('sealing may be switched off and on again: what is there is read all the same, and edited', async () => {
  const first = await testPlatform();
  const { conversationId, clients } = await room(first, 'leo', 'mia');
  const [l] = clients as [RawClient, RawClient];
  await l.ask({ sendMessage: { conversationId, clientMsgId: 'one', content: { text: 'sealed words' } } });
  await until(
    'committed',
    () => l.ask({ getHistory: { conversationId } }),
    (a) => a.history?.head.lastSeq >= 1,
  );
  for (const client of clients) await client.close();
  await first.stop({ remove: false });
  const { services } = platformConfig({ SOCKET_SEAL_CONTENT: 'false' });
  const platform = await testPlatform({ dataDir: first.dataDir, services });
  const leo = await signIn(platform, 'leo');
  const again = await RawClient.open(platform.socketUrls[0] as string, leo.accessToken);
  await again.ask({ sendMessage: { conversationId, clientMsgId: 'two', content: { text: 'plain words' } } });
  const { history } = await until(
    'both',
    () => again.ask({ getHistory: { conversationId } }),
    (a) => a.history?.head.lastSeq >= 2,
  );
  expect(history.messages.map((m: Frame) => m.content.text)).toEqual(['sealed words', 'plain words']);
  await again.close();
  await platform.stop({ remove: false });
  expect(await unindexedWith(platform.dataDir, 'plain words')).not.toEqual([]);
  expect(await unindexedWith(platform.dataDir, 'sealed words')).toEqual([]);
  const third = await testPlatform({ dataDir: first.dataDir });
  const [leoAgain, mia] = [await signIn(third, 'leo'), await signIn(third, 'mia')];
  const [x, y] = [
    await RawClient.open(third.socketUrls[0] as string, leoAgain.accessToken),
    await RawClient.open(third.socketUrls[1] as string, mia.accessToken),
  ];
  const { messageId } = history.messages[1];
  const edit = await x.ask({ editMessage: { conversationId, messageId, content: { text: 'sealed by now' } } });
  expect(edit.accepted).toBeDefined();
  await y.waitFor((f) => f.event?.messageChanged?.content?.text === 'sealed by now');
  const read = (await y.ask({ getHistory: { conversationId } })).history;
  expect(read.messages.map((m: Frame) => m.content.text)).toEqual(['sealed words', 'sealed by now']);
  await Promise.all([x.close(), y.close()]);
  await third.stop({ remove: false });
  expect(await unindexedWith(third.dataDir, 'sealed by now')).toEqual([]);
  const { rm } = await import('node:fs/promises');
  await rm(first.dataDir, { recursive: true, force: true });
}, 45_000);
