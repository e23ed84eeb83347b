/** `npm run demo`: two users talk across two nodes; exit code 0 only when both saw the same. */
import { enableCompileCache } from 'node:module';

enableCompileCache('.cache/compile');
const { runDemo } = await import('./demo/run-demo.ts');
await runDemo();
