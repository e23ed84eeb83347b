import { crc32, deflateSync } from 'node:zlib';
import type { Conversation } from '@caas/client';
import { DemoError } from './demo-error.ts';
import type { Sent, Side } from './side.ts';

const side = 96;

const chunk = (type: string, data: Uint8Array): Buffer => {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
};

/** A sunset, as a PNG of three bytes a pixel. */
const sunset = (): Uint8Array<ArrayBuffer> => {
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

/** One uploads a picture and sends it; the other gets its thumbnail by an address of a few minutes. */
export const showPicture = async (from: Side, to: Side, view: Conversation): Promise<Sent> => {
  const { mediaId, sizeBytes, capabilitiesMissing } = await from.client.upload(sunset(), { name: 'sunset.png' });
  from.tell(`uploaded sunset.png, ${sizeBytes} bytes; missing here: ${capabilitiesMissing.join(', ') || 'nothing'}`);
  const text = `${from.name} shows a picture`;
  const sent = await from.send(view, text, { text, attachments: [{ mediaId }] });
  await to.until(`"${text}"`, () => to.seenAtMs.has(sent.messageId));
  await to.until('its commit', () => view.messages().some((each) => each.messageId === sent.messageId && each.seq > 0));
  const { media } = await to.client.mediaUrls(mediaId, { conversationId: view.id, messageId: sent.messageId });
  const thumbnail = media?.renditions.find(({ name }) => name === 'thumbnail');
  const response = await fetch(thumbnail?.url ?? '');
  const bytes = (await response.arrayBuffer()).byteLength;
  if (response.status !== 200 || bytes !== thumbnail?.sizeBytes)
    throw new DemoError('the thumbnail is not what it was told to be');
  to.tell(
    `thumbnail of ${media?.name}: ${thumbnail.mediaType}, ${bytes} bytes, ${thumbnail.width}×${thumbnail.height}`,
  );
  return sent;
};
