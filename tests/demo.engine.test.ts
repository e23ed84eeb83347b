/** The demo on real engines: every service a process, all five Redis emptied in the middle of its talk. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from '@jest/globals';

test('the distributed demo: nobody notices FLUSHALL, the picture is found, and a trace id is followed through all services', async () => {
  const args = [
    '-C',
    '@caas/source',
    '--disable-warning=TimeoutNegativeWarning',
    'platform/src/demo.ts',
    '--distributed',
  ];
  // Of this process's settings only where the test's engines are.
  const env = { PATH: process.env['PATH'], CAAS_INFRA_DIR: '.cache/infra-tests' };
  const demo = spawn(process.execPath, args, { env });
  let said = '';
  for (const stream of [demo.stdout, demo.stderr]) stream.on('data', (chunk) => (said += chunk));
  const [code] = await once(demo, 'close');
  expect({ code, said: code === 0 ? '' : said }).toEqual({ code: 0, said: '' });
  expect(said).toMatch(/FLUSHALL on all five Redis: [1-9]\d* keys are gone/);
  expect(said).toContain('Both saw all 13 messages in one order, and the digests agree.');
  for (const word of ['harbour', '노을']) expect(said).toMatch(new RegExp(`searched ${word}, found #11`));
  expect(said).toMatch(/It has come by the gateway, .*, media, over gRPC, .* the index, the audit log\./);
}, 120_000);
