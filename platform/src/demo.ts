/**
 * `npm run demo`: two users talk across two nodes; exit code 0 only when both saw the same. With `-- --distributed` every
 * service is a process of its own, on the engines of `npm run infra`.
 */
import { enableCompileCache } from 'node:module';

enableCompileCache('.cache/compile');
const { runDemo } = await import('./demo/run-demo.ts');
const known = { '--distributed': process.argv.includes('--distributed') };
const unknown = process.argv.slice(2).filter((each) => !(each in known));
if (unknown.length > 0) {
  process.stderr.write(`unknown: ${unknown.join(' ')}\nusage: npm run demo [-- --distributed]\n`);
  process.exit(64);
}
await runDemo({ distributed: known['--distributed'] });
