import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { startEngines } from './index.ts';
import { holdsWithin } from './poll.ts';
import { freePorts, isListening } from './port-check.ts';
import { isAlive, type ProcessId, readProcessId } from './process-id.ts';

/** Ports of one run: those of all engines, in a row. */
const rowLength = 8;
const redisCount = 5;

let dataDir: string;
const supervisors: ChildProcess[] = [];

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'caas-infra-'));
});

afterEach(async () => {
  for (const supervisor of supervisors.splice(0)) {
    const isGone = (): boolean => supervisor.exitCode !== null || supervisor.signalCode !== null;
    supervisor.kill('SIGKILL');
    expect(await holdsWithin(10_000, isGone)).toBe(true);
  }
  // A start ends what is left of the runs before.
  await (await startEngines({ dataDir, only: ['redis'], ports: 'free' })).stop();
  await rm(dataDir, { recursive: true, force: true });
});

const freeRow = async (): Promise<number> => (await freePorts(rowLength))[0] as number;

const redisPids = async (): Promise<ProcessId[]> => {
  const files = await readdir(join(dataDir, 'run'));
  const ids = await Promise.all(files.map((file) => readProcessId(join(dataDir, 'run', file))));
  return ids.filter((id) => id !== undefined);
};

const living = async (ids: readonly ProcessId[]): Promise<number> =>
  (await Promise.all(ids.map(isAlive))).filter(Boolean).length;

/** `npm run infra -- --only redis` without npm, ready; with what it printed. */
const supervise = async () => {
  const base = await freeRow();
  const node = ['-C', '@caas/source', '--disable-warning=ExperimentalWarning', 'infra/src/main.ts'];
  const args = ['--only', 'redis', '--data', dataDir, '--port-base', String(base)];
  const child = spawn(process.execPath, [...node, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  supervisors.push(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  expect(await holdsWithin(30_000, () => output.includes('Ctrl-C') || child.exitCode !== null)).toBe(true);
  expect(child.exitCode).toBeNull();
  return { child, base, output: () => output };
};

test('says what runs where, writes the variables for its owner alone, and stops all at a signal', async () => {
  const { child, base, output } = await supervise();
  expect(output()).toMatch(new RegExp(`redis-gateway +127\\.0\\.0\\.1:${base + 2} .*256mb`));
  expect(await readFile(join(dataDir, 'env'), 'utf8')).toContain(`@127.0.0.1:${base + 2}`);
  for (const file of ['env', 'env.socket', 'secrets.env'])
    expect((await stat(join(dataDir, file))).mode & 0o777).toBe(0o600);
  const ids = await redisPids();
  expect(await living(ids)).toBe(redisCount);
  child.kill('SIGINT');
  expect(await once(child, 'close')).toEqual([0, null]);
  expect(await living(ids)).toBe(0);
});

test('a second start in the same folder says so and disturbs nothing', async () => {
  const { base } = await supervise();
  await expect(startEngines({ dataDir, only: ['redis'], ports: 'free' })).rejects.toThrow(/run in .* already/);
  expect(await isListening(base + 2)).toBe(true);
});

test('what a killed supervisor left is ended at the next start, paused ones too; the passwords stay', async () => {
  const { child } = await supervise();
  const passwords = await readFile(join(dataDir, 'secrets.env'), 'utf8');
  const ids = await redisPids();
  child.kill('SIGKILL');
  await once(child, 'close');
  expect(await living(ids)).toBe(redisCount);
  process.kill((ids[0] as ProcessId).pid, 'SIGSTOP');
  const told: string[] = [];
  const engines = await startEngines({
    dataDir,
    only: ['redis'],
    ports: 'free',
    onProgress: (line) => told.push(line),
  });
  expect(await living(ids)).toBe(0);
  expect(told).toHaveLength(redisCount);
  expect(told.join()).toContain('ended redis-gateway, left by a killed run');
  expect(await readFile(join(dataDir, 'secrets.env'), 'utf8')).toBe(passwords);
  await engines.stop();
});

test('a process that took the number of one that is gone is left alone', async () => {
  const engines = await startEngines({ dataDir, only: ['redis'], ports: 'free' });
  await engines.stop();
  const bystander = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
  supervisors.push(bystander);
  const stale = { pid: bystander.pid, since: 'another time' };
  await writeFile(join(dataDir, 'run', 'redis-gateway.json'), JSON.stringify(stale));
  await (await startEngines({ dataDir, only: ['redis'], ports: 'free' })).stop();
  expect(bystander.exitCode).toBeNull();
  expect(bystander.signalCode).toBeNull();
});

test('when an engine ends by itself, the others are stopped and it is named', async () => {
  const { child, output } = await supervise();
  const ids = await redisPids();
  const crypto = await readProcessId(join(dataDir, 'run', 'redis-crypto.json'));
  process.kill((crypto as ProcessId).pid, 'SIGKILL');
  const [code] = await once(child, 'close');
  expect(code).not.toBe(0);
  expect(output()).toMatch(/redis-crypto ended with SIGKILL; see .*redis-crypto\.log/);
  expect(await living(ids)).toBe(0);
});

test('a port that another program has is named, and nothing is started', async () => {
  const base = await freeRow();
  const other = createServer().listen(base + 3, '127.0.0.1');
  await once(other, 'listening');
  try {
    await expect(startEngines({ dataDir, only: ['redis'], ports: base })).rejects.toThrow(`${base + 3} (redis-socket)`);
    expect(existsSync(join(dataDir, 'env'))).toBe(false);
  } finally {
    await new Promise((resolve) => other.close(resolve));
  }
});
