import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type TestPlatform, testPlatform } from './support/platform.ts';

const readme = readFileSync('README.md', 'utf8');
const blocks = (language: string): string[] =>
  [...readme.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(([, block]) =>
    (block as string).trim(),
  );

/** Installing, serving for ever and this very run are not for a test; what they name is. */
const notRun = ['npm ci && npm start', 'npm test'];
/** By what each command's output is known. */
const expected: readonly [RegExp, RegExp][] = [
  [/^npm run demo$/, /Both saw all 13 messages in one order, and the digests agree\.(?=[\s\S]*one of the demo’s own)/],
  [/sdk\/token/, /"access_token":"[\w.-]+".*"socket_urls":\["ws:/],
  [/^npm run -s example$/, /^alice: accepted \S+, trace [0-9a-f]{32}\nbob: hello bob\n$/],
  [/^npm run -s wire/, /"welcome"(?=[\s\S]*"externalId":"bob")(?=[\s\S]*"conversations":)[\s\S]*closed with 1000/],
];

describe('what README.md prints', () => {
  let platform: TestPlatform;
  let clone: string;

  beforeAll(async () => {
    platform = await testPlatform();
    // The working tree with the data of this test's platform in place of the developer's.
    clone = mkdtempSync(join(tmpdir(), 'caas-readme-'));
    for (const name of readdirSync('.')) if (name !== 'data') symlinkSync(resolve(name), join(clone, name));
    symlinkSync(platform.dataDir, join(clone, 'data'));
  });
  afterAll(async () => {
    rmSync(clone, { recursive: true, force: true });
    await platform.stop();
  });

  const run = (command: string): Promise<{ code: number | null; stdout: string; stderr: string }> =>
    new Promise((done, failed) => {
      // Nothing of this process's own Node and settings: a developer's shell has neither.
      const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(CAAS_|NODE_|npm_)/.test(name)));
      const child = spawn('bash', ['-euo', 'pipefail', '-c', command], { cwd: clone, env });
      let stdout = '';
      let stderr = '';
      child.stdout.on('data', (chunk) => {
        stdout += chunk;
      });
      child.stderr.on('data', (chunk) => {
        stderr += chunk;
      });
      child.on('error', failed);
      child.on('close', (code) => done({ code, stdout, stderr }));
    });

  const commands = blocks('sh').filter((command) => !notRun.includes(command));

  test('is known to this test', () => {
    expect(blocks('sh')).toEqual(expect.arrayContaining(notRun));
    expect(commands).toHaveLength(expected.length);
  });

  test.each(commands)(
    'works: %s',
    async (command) => {
      const output = expected.find(([name]) => name.test(command))?.[1];
      const { code, stdout, stderr } = await run(command);
      expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toMatch(output as RegExp);
    },
    30_000,
  );

  test('in TypeScript is the example that was run, in at most 25 lines', () => {
    const [snippet] = blocks('ts');
    expect(snippet).toBe(readFileSync('examples/first-message.ts', 'utf8').trim());
    expect(snippet?.split('\n').filter((line) => line !== '').length).toBeLessThanOrEqual(25);
  });

  test('says how long a demo without a platform takes: less than 10 s, and it ends by itself', async () => {
    rmSync(join(clone, 'data'));
    const startedAt = performance.now();
    const { code, stdout } = await run('npm run -s demo');
    symlinkSync(platform.dataDir, join(clone, 'data'));
    expect(code).toBe(0);
    expect(stdout).toMatch(/none runs, so one of the demo's own/);
    for (const word of ['harbour', '노을']) expect(stdout).toMatch(new RegExp(`searched ${word}, found #11`));
    expect(stdout).toMatch(/One trace id, [0-9a-f]{32}: .*\n(.*\n){10,}It has come by the gateway, .* the audit log\./);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  }, 30_000);
});
