import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CaasClient, type Media } from '@caas/client';
import { until } from '@caas/kit/testing/until';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import sharp from 'sharp';
import { signIn, type TestPlatform, type TestUser, testPlatform } from './support/platform.ts';
import { type Frame, RawClient } from './support/raw-client.ts';

describe('media', () => {
  let platform: TestPlatform;
  let [alice, bob, carol] = [] as unknown as [TestUser, TestUser, TestUser];
  let [a, b, c] = [] as unknown as [RawClient, RawClient, RawClient];
  let client: CaasClient;
  let conversationId: string;
  beforeAll(async () => {
    platform = await testPlatform();
    [alice, bob, carol] = await Promise.all(
      (['alice', 'bob', 'carol'] as const).map((name) => signIn(platform, name)) as [
        Promise<TestUser>,
        Promise<TestUser>,
        Promise<TestUser>,
      ],
    );
    const [one, two] = platform.socketUrls as [string, string];
    a = await RawClient.open(one, alice.accessToken);
    b = await RawClient.open(two, bob.accessToken);
    c = await RawClient.open(two, carol.accessToken);
    const create = { kind: 'CONVERSATION_KIND_GROUP', memberIds: [bob.userId], clientRef: 'media' };
    conversationId = (await a.ask({ createConversation: create })).conversation.conversation.conversationId;
    client = new CaasClient({ urls: [one], getToken: async () => alice.accessToken });
    await client.connect();
  });
  afterAll(async () => {
    client.close();
    await platform.stop();
  });

  const aPicture = (background = '#0a0'): Promise<Uint8Array<ArrayBuffer>> =>
    sharp({ create: { width: 600, height: 400, channels: 3, background } })
      .png()
      .toBuffer()
      .then((bytes) => Uint8Array.from(bytes));
  const send = (by: RawClient, clientMsgId: string, content: Frame): Promise<Frame> =>
    by.ask({ sendMessage: { conversationId, clientMsgId, content } });
  const sent = async (by: RawClient, clientMsgId: string, content: Frame): Promise<string> => {
    const { accepted, error } = await send(by, clientMsgId, content);
    expect(error).toBeUndefined();
    await until(
      'committed',
      () => by.ask({ getHistory: { conversationId } }),
      ({ history }) => history?.messages?.some((m: Frame) => m.messageId === accepted.messageId),
    );
    return accepted.messageId;
  };
  const urls = (by: RawClient, mediaId: string, messageId: string, of = conversationId): Promise<Frame> =>
    by.ask({ getMedia: { conversationId: of, mediaId, messageId } });

  test('is uploaded, attached, told to the members as it is, and downloaded by them alone', async () => {
    const progress: number[] = [];
    const bytes = await aPicture();
    const media = await client.upload(bytes, {
      name: 'green.png',
      onProgress: (sentBytes) => progress.push(sentBytes),
    });
    expect(media).toMatchObject({ state: 'COMMITTED', kind: 'IMAGE', name: 'green.png', mediaType: 'image/png' });
    expect(progress).toEqual([bytes.length]);
    const { mediaId } = media;
    // Whatever the client says it is.
    const lie = { mediaId, name: 'x.exe', mediaType: 'text/html', sizeBytes: 1 };
    const messageId = await sent(a, 'pic', { text: 'look', attachments: [lie] });
    const truth = { mediaId, name: 'green.png', mediaType: 'image/png', sizeBytes: bytes.length };
    const told = await b.waitFor((f) => f.event?.message?.messageId === messageId);
    const whole = ({ sizeBytes, ...rest }: Frame) => ({ ...rest, sizeBytes: Number(sizeBytes) });
    expect(told.event.message.content.attachments.map(whole)).toEqual([truth]);
    const access = await urls(b, mediaId, messageId);
    const forms = access.media.media.renditions as { name: string; url: string }[];
    expect(forms.map(({ name }) => name)).toEqual(['original', 'preview', 'thumbnail']);
    for (const { url } of forms) {
      const response = await fetch(url);
      expect(response.status).toBe(200);
      expect((await sharp(Buffer.from(await response.arrayBuffer())).metadata()).width).toBeLessThanOrEqual(600);
    }
    expect((await client.mediaUrls(mediaId)).media?.renditions[0]?.url).toMatch(/^http/);
    expect((await client.mediaUrls(mediaId, { conversationId, messageId })).media?.mediaId).toBe(mediaId);
    expect((await urls(c, mediaId, messageId)).error.reason).toBe('ERROR_REASON_CONVERSATION_NOT_FOUND');
    expect((await c.ask({ getMedia: { mediaId } })).error.reason).toBe('ERROR_REASON_NOT_FOUND');
    expect((await b.ask({ getMedia: { mediaId } })).error.reason).toBe('ERROR_REASON_NOT_FOUND');
  });

  test('goes with its message: forwarded it is readable there, hidden or deleted it is not, edited out it is not', async () => {
    const [one, two] = await Promise.all([aPicture('#00f'), aPicture('#f00')].map(async (p) => client.upload(await p)));
    const [blue, red] = [one as Media, two as Media];
    const messageId = await sent(a, 'two', { attachments: [{ mediaId: blue.mediaId }, { mediaId: red.mediaId }] });
    const other = await b.ask({
      createConversation: { kind: 'CONVERSATION_KIND_GROUP', memberIds: [carol.userId], clientRef: 'other' },
    });
    const elsewhere = other.conversation.conversation.conversationId;
    const forward = { fromConversationId: conversationId, messageId, toConversationId: elsewhere, clientMsgId: 'f' };
    const forwarded = (await b.ask({ forwardMessage: forward })).accepted.messageId;
    await until(
      'forwarded',
      () => urls(c, blue.mediaId, forwarded, elsewhere),
      (answer) => answer.media?.media.mediaId === blue.mediaId,
    );
    // By the message that carries it, and by no other.
    const notFound = 'ERROR_REASON_MESSAGE_NOT_FOUND';
    const text = await sent(a, 'text', { text: 'no media here' });
    expect((await urls(b, blue.mediaId, text)).error.reason).toBe(notFound);
    const edit = (by: RawClient, id: string, of: string, content: Frame) =>
      by.ask({ editMessage: { conversationId: of, messageId: id, content } });
    expect(
      (await edit(a, messageId, conversationId, { text: 'red', attachments: [{ mediaId: red.mediaId }] })).error,
    ).toBeUndefined();
    await until(
      'edited out',
      () => urls(b, blue.mediaId, messageId),
      ({ error }) => error?.reason === notFound,
    );
    expect((await urls(b, red.mediaId, messageId)).error).toBeUndefined();
    // An edit keeps what is there, whoever uploaded it, and adds nothing of others.
    const kept = await edit(b, forwarded, elsewhere, { text: 'mine now', attachments: [{ mediaId: blue.mediaId }] });
    expect(kept.error).toBeUndefined();
    const added = await edit(b, text, conversationId, { text: 'x', attachments: [{ mediaId: blue.mediaId }] });
    expect(added.error.reason).toBe('ERROR_REASON_PERMISSION_DENIED');
    const remove = (by: RawClient, scope: string) => by.ask({ deleteMessage: { conversationId, messageId, scope } });
    await remove(b, 'DELETE_SCOPE_FOR_ME');
    await until(
      'hidden',
      () => urls(b, red.mediaId, messageId),
      ({ error }) => error?.reason === notFound,
    );
    expect((await urls(a, red.mediaId, messageId)).error).toBeUndefined();
    await remove(a, 'DELETE_SCOPE_FOR_EVERYONE');
    await until(
      'deleted',
      () => urls(a, red.mediaId, messageId),
      ({ error }) => error?.reason === notFound,
    );
  });

  test('is attached by its uploader alone, once it is committed, and is refused to a send without a trace of it', async () => {
    const { mediaId } = await client.upload(await aPicture('#fff'));
    const open = await a.ask({ createUpload: { name: 'open.txt', sizeBytes: 5 } });
    const unfinished = open.upload.media.mediaId;
    for (const [by, id] of [
      [b, mediaId],
      [a, unfinished],
      [a, 'none'],
    ] as const) {
      const { error } = await send(by, `r${id}`, { attachments: [{ mediaId: id }] });
      expect(error).toMatchObject({ reason: 'ERROR_REASON_NOT_FOUND', details: { media_id: id } });
    }
    expect((await a.ask({ abortUpload: { mediaId: unfinished } })).done).toBeDefined();
    const again = await send(a, `r${mediaId}`, { attachments: [{ mediaId }] });
    expect(again.accepted).toBeDefined();
    // A retry is the same message, whatever media says by now.
    const retried = {
      conversationId,
      clientMsgId: `r${mediaId}`,
      content: { attachments: [{ mediaId }] },
      retry: true,
    };
    await until(
      'the retry',
      () => a.ask({ sendMessage: retried }),
      ({ accepted }) => accepted?.messageId === again.accepted.messageId,
    );
  });

  test('that dies costs its own commands: text goes on, and so does media when it is back', async () => {
    const { mediaId } = await client.upload(await aPicture('#123'));
    await platform.services.get('media')?.crash();
    const startedAt = performance.now();
    const refused = await Promise.all([
      a.ask({ createUpload: { name: 'a', sizeBytes: 1 } }),
      a.ask({ getMedia: { mediaId } }),
      b.ask({ getUpload: { mediaId } }),
    ]);
    expect(performance.now() - startedAt).toBeLessThan(6_000);
    for (const { error } of refused)
      expect(error).toMatchObject({ reason: 'ERROR_REASON_UNAVAILABLE', retryable: true, traceId: expect.any(String) });
    const attached = await send(b, 'attached', { attachments: [{ mediaId }] });
    expect(attached.error.reason).toBe('ERROR_REASON_UNAVAILABLE');
    await sent(a, 'goes-on', { text: 'text goes on' });
    const during = client.upload(await aPicture('#456'), { name: 'during.png' });
    await platform.services.get('media')?.restart();
    expect((await during).name).toBe('during.png');
    expect((await a.ask({ getMedia: { mediaId } })).media.media.mediaId).toBe(mediaId);
  }, 30_000);

  test('is in no file in the clear: neither its bytes nor its name', async () => {
    const canary = `canary-${randomBytes(8).toString('hex')}`;
    const text = new TextEncoder().encode(`${canary}\n`.repeat(1_000));
    const media = await client.upload(text, { name: `${canary}.txt` });
    await sent(a, 'canary', { text: 'see', attachments: [{ mediaId: media.mediaId }] });
    const entries = await readdir(platform.dataDir, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    expect(files.some((file) => file.includes(media.mediaId))).toBe(true);
    for (const file of files) {
      const bytes = await readFile(file).catch(() => Buffer.alloc(0));
      expect([file, bytes.includes(canary)]).toEqual([file, false]);
    }
  });
});
