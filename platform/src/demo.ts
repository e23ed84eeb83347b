/**
 * `npm run demo`: two users talk across two nodes; exit code 0 only when both saw the same. With `-- --distributed` every
 * service is a process of its own, on the engines of `npm run infra`.
 */
import { enableCompileCache } from 'node:module';

enableCompileCache('.cache/compile');
const { runDemo } = await import('./demo/run-demo.ts');
await runDemo({ distributed: process.argv.includes('--distributed') });
