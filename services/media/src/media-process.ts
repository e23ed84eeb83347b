/** Media in a process of its own, for the test of what it holds in memory: told a folder, it tells its address, then its memory. */
import { startMedia } from './testing.ts';

const media = await startMedia(process.argv[2] as string);
let mostBytes = 0;
const watch = setInterval(() => {
  mostBytes = Math.max(mostBytes, process.memoryUsage.rss());
}, 20);
process.on('message', (message) => {
  if (message === 'memory') {
    process.send?.({ mostBytes });
    mostBytes = process.memoryUsage.rss();
    return;
  }
  clearInterval(watch);
  void media.stop().finally(() => process.exit());
});
process.send?.({ address: media.media.address });
