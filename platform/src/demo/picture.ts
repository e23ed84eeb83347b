import { crc32, deflateSync } from 'node:zlib';
import type { Conversation } from '@caas/client';
import { DemoError } from './demo-error.ts';
import { patienceMs, type Sent, type Side } from './side.ts';

const side = 96;
/** Time between two searches for what is not indexed yet, ms. */
const searchEveryMs = 50;

const chunk = (type: string, data: Uint8Array): Buffer => {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
};

/** A sunset, as a PNG of three bytes a pixel. */
export const sunset = (): Uint8Array<ArrayBuffer> => {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(side, 0);
  head.writeUInt32BE(side, 4);
  head.set([8, 2], 8);
  const rows = Array.from({ length: side }, (_, y) => {
    const pixel = [255 - y, Math.max(0, 160 - 2 * y), 40 + y];
    return [0, ...Array.from({ length: side }, () => pixel).flat()];
  });
  const pixels = deflateSync(Uint8Array.from(rows.flat()));
  const signature = Buffer.from('89504e470d0a1a0a', 'hex');
  const end = chunk('IEND', Buffer.alloc(0));
  return Uint8Array.from(Buffer.concat([signature, chunk('IHDR', head), chunk('IDAT', pixels), end]));
};

/** One uploads a picture and sends it; the other gets its thumbnail by an address of a few minutes, and finds it by words. */
export const showPicture = async (from: Side, to: Side, view: Conversation): Promise<Sent> => {
  const { mediaId, sizeBytes, capabilitiesMissing } = await from.client.upload(sunset(), { name: 'sunset.png' });
  from.tell(`uploaded sunset.png, ${sizeBytes} bytes; missing here: ${capabilitiesMissing.join(', ') || 'nothing'}`);
  const text = `${from.name} shows a sunset over the harbour, 항구의 노을`;
  const sent = await from.send(view, text, { text, attachments: [{ mediaId }] });
  await to.until(`"${text}"`, () => to.seenAtMs.has(sent.messageId));
  await from.until('its commit', () =>
    view.messages().some((each) => each.messageId === sent.messageId && each.seq > 0),
  );
  const { media } = await to.client.mediaUrls(mediaId, { conversationId: view.id, messageId: sent.messageId });
  const thumbnail = media?.renditions.find(({ name }) => name === 'thumbnail');
  const response = await fetch(thumbnail?.url ?? '');
  const bytes = (await response.arrayBuffer()).byteLength;
  if (response.status !== 200 || bytes !== thumbnail?.sizeBytes)
    throw new DemoError('the thumbnail is not what it was told to be');
  to.tell(
    `thumbnail of ${media?.name}: ${thumbnail.mediaType}, ${bytes} bytes, ${thumbnail.width}×${thumbnail.height}`,
  );
  for (const word of ['harbour', '노을']) await find(to, word, sent.messageId);
  return sent;
};

/** Finds the message by a word; the index has it a moment after its commit. */
const find = async (who: Side, word: string, messageId: string): Promise<void> => {
  const askedAtMs = performance.now();
  for (;;) {
    const { hits } = await who.client.searchMessages(word, { hasAttachment: true });
    const hit = hits.find((each) => each.messageId === messageId);
    if (hit) return who.tell(`searched ${word}, found #${hit.seq}: ${hit.snippet}`);
    if (performance.now() - askedAtMs > patienceMs) throw new DemoError(`"${word}" is not found`);
    await new Promise((resolve) => setTimeout(resolve, searchEveryMs));
  }
};
