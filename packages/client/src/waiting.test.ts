import { afterEach, expect, test } from '@jest/globals';
import { emptyDigest, nextDigest } from './digest.ts';
import { anOnlineClient, closeClients } from './testing/a-client.ts';
import { settled } from './testing/fake-clock.ts';

afterEach(closeClients);

const head = (seq: number, digest: string) => ({
  conversationId: 'c',
  headRev: seq,
  prevHeadRev: seq - 1,
  lastSeq: seq,
  lastPosition: seq,
  digest,
});

const aConversation = async () => {
  const { client, socket } = await anOnlineClient();
  const conversation = client.conversation('c');
  await settled();
  const delta = { conversationId: 'c', head: head(0, emptyDigest), cursor: 'x' };
  await socket(0).answer('sync', { reply: { sync: { deltas: [delta] } } });
  const arrive = () =>
    socket(0).event({
      message: { messageId: 'm', conversationId: 'c', senderId: 'other', position: 1, content: { text: 'hello' } },
    });
  const commit = () => socket(0).event({ head: head(1, nextDigest(emptyDigest, 'm')) });
  return { client, conversation, arrive, commit };
};

test('one waits in a conversation for what is to come, and leaves no listener behind', async () => {
  const { conversation, arrive } = await aConversation();
  const seen = conversation.until(() => conversation.items()[0]?.message.content?.text);
  expect(conversation.isWatched).toBe(true);
  await arrive();
  expect(await seen).toBe('hello');
  expect(conversation.isWatched).toBe(false);
  expect(await conversation.until(() => conversation.items().length)).toBe(1);
});

test('one waits for a message to be committed', async () => {
  const { conversation, arrive, commit } = await aConversation();
  const committed = conversation.committed('m');
  await arrive();
  expect(conversation.isWatched).toBe(true);
  await commit();
  expect(await committed).toMatchObject({ messageId: 'm', seq: 1 });
});

test('waiting ends when its time is over, when the conversation is closed, and when looking throws', async () => {
  const { client, conversation } = await aConversation();
  await expect(conversation.until(() => false, 1)).rejects.toMatchObject({ reason: 'DEADLINE_EXCEEDED' });
  const fault = new Error('mine');
  await expect(
    conversation.until(() => {
      throw fault;
    }),
  ).rejects.toBe(fault);
  const waiting = conversation.committed('m');
  conversation.close();
  await expect(waiting).rejects.toMatchObject({ reason: 'CLIENT_CLOSED' });
  client.close();
  await expect(client.connect()).rejects.toMatchObject({ reason: 'CLIENT_CLOSED' });
});
