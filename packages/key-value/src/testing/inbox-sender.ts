/** Sends numbered envelopes to a node, some thousands under way: `inbox-sender.ts URL NODE COUNT`. */
import { openRedisNodeInbox } from '../redis-node-inbox.ts';

const maxUnderWay = 2_000;
const [url = '', nodeId = '', count = ''] = process.argv.slice(2);
const inbox = await openRedisNodeInbox({ urls: [url] });
const underWay = new Set<Promise<void>>();
for (let i = 0; i < Number(count); i += 1) {
  const envelope = Buffer.alloc(200);
  envelope.writeUInt32BE(i);
  const sent = inbox.send(nodeId, envelope).finally(() => underWay.delete(sent));
  underWay.add(sent);
  if (underWay.size >= maxUnderWay) await Promise.race(underWay);
}
await Promise.all(underWay);
await inbox.close();
