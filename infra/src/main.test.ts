import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';

let dataDir: string;
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'caas-infra-'));
});
afterAll(() => rm(dataDir, { recursive: true, force: true }));

const infra = (args: readonly string[], env: NodeJS.ProcessEnv = process.env) => {
  const node = ['-C', '@caas/source', '--disable-warning=ExperimentalWarning', 'infra/src/main.ts', '--data', dataDir];
  const { status, stderr } = spawnSync(process.execPath, [...node, ...args], { encoding: 'utf8', env });
  return { status, stderr };
};

test('says what the machine lacks, for what, and how to get it', () => {
  const { status, stderr } = infra(['--only', 'redis,mongodb'], { ...process.env, PATH: dataDir });
  expect(status).toBe(78);
  expect(stderr).toMatch(/redis-server 7\.0 or later, for redis\n.*python3 .* with venv, for mongodb/);
  expect(stderr).toMatch(/apt-get install -y redis-server python3-venv\n.*--install/);
  expect(existsSync(join(dataDir, 'env'))).toBe(false);
});

test('an engine that there is not is refused with those there are', () => {
  const { status, stderr } = infra(['--only', 'mysql']);
  expect(status).toBe(78);
  expect(stderr).toMatch(/no engine "mysql", only kafka, redis, mongodb/);
});

test.each([
  [['--port-base', 'x'], /--port-base/],
  [['--nonsense'], /nonsense/],
])('%j is refused with the usage', (args, message) => {
  const { status, stderr } = infra(args);
  expect(status).toBe(78);
  expect(stderr).toMatch(message);
  expect(stderr).toMatch(/usage: npm run infra/);
});
