/** A file of the data folder that is lost, or put back from an older backup, while the others are kept. */

import { copyFile, rename, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '@caas/kit/testing/until';
import { expect, test } from '@jest/globals';
import { signIn, type TestPlatform, testPlatform } from './support/platform.ts';
import { type Frame, RawClient } from './support/raw-client.ts';

/** Alice says it to bob; resolves with their history once it is committed. */
const talk = async (platform: TestPlatform, text: string): Promise<Frame> => {
  const [alice, bob] = [await signIn(platform, 'alice'), await signIn(platform, 'bob')];
  const client = await RawClient.open(platform.socketUrls[0] as string, alice.accessToken);
  const create = { kind: 'CONVERSATION_KIND_DIRECT', memberIds: [bob.userId] };
  const { conversationId } = (await client.ask({ createConversation: create })).conversation.conversation;
  const { accepted } = await client.ask({ sendMessage: { conversationId, clientMsgId: text, content: { text } } });
  const { history } = await until(
    `${text} is committed`,
    () => client.ask({ getHistory: { conversationId } }),
    (answer) => answer.history?.messages?.some((m: Frame) => m.messageId === accepted.messageId),
  );
  await client.close();
  return history;
};

test.each([
  ['messages.db', 'lost'],
  ['messages.db', 'from an older backup'],
  ['log.db', 'lost'],
])('with a %s that is %s all that was said is there, and what is said next follows', async (name, how) => {
  const first = await testPlatform();
  const file = join(first.dataDir, name);
  let platform = first;
  const restart = async (meanwhile: () => Promise<void>): Promise<void> => {
    await platform.stop({ remove: false });
    await meanwhile();
    platform = await testPlatform({ dataDir: first.dataDir });
  };
  await talk(platform, 'one');
  await restart(() => copyFile(file, `${file}.backup`));
  const before = await talk(platform, 'two');
  await restart(() => (how === 'lost' ? rm(file) : rename(`${file}.backup`, file)));
  const after = await talk(platform, 'three');
  const told = ({ messageId, seq, content }: Frame) => ({ messageId, seq, text: content.text });
  expect(after.messages.slice(0, 2).map(told)).toEqual(before.messages.map(told));
  expect(after.messages.map((m: Frame) => [m.seq, m.content.text])).toEqual([
    [1, 'one'],
    [2, 'two'],
    [3, 'three'],
  ]);
  await platform.stop();
});

test('a log from an older backup than the messages is refused at start, with what to do', async () => {
  const first = await testPlatform();
  const { dataDir } = first;
  const file = join(dataDir, 'log.db');
  await talk(first, 'one');
  await first.stop({ remove: false });
  await copyFile(file, `${file}.backup`);
  const second = await testPlatform({ dataDir });
  await talk(second, 'two');
  await second.stop({ remove: false });
  await rename(`${file}.backup`, file);
  await expect(testPlatform({ dataDir })).rejects.toThrow(
    /log\.db and messages\.db are not of one moment: the log is an older one: .* Put back a log\.db/,
  );
  await rm(dataDir, { recursive: true, force: true });
});

test.each(['messages.db', 'accounts.db', 'log.db'])(
  'a %s that was truncated is refused at start, by name',
  async (name) => {
    const first = await testPlatform();
    const { dataDir } = first;
    await talk(first, 'one');
    await first.stop({ remove: false });
    const file = join(dataDir, name);
    await copyFile(file, `${file}.backup`);
    await truncate(file);
    await expect(testPlatform({ dataDir })).rejects.toThrow(`${file} is empty`);
    // Nothing was begun in its place, and nothing is held: what is put back goes on.
    await rename(`${file}.backup`, file);
    const again = await testPlatform({ dataDir });
    expect((await talk(again, 'two')).messages.map((m: Frame) => m.content.text)).toEqual(['one', 'two']);
    await again.stop();
  },
);
