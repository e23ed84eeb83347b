import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Member, newTally } from './lib/member.ts';
import type { Bench, BenchOptions } from './lib/options.ts';
import { median, type Report, round } from './lib/report.ts';
import { SendTemplate } from './lib/send-template.ts';
import { issueTokens } from './lib/tokens.ts';

const main = join(import.meta.dirname, '../platform/src/main.ts');
const starts = 5;

interface Start {
  upMs: number;
  tokenMs: number;
  welcomeMs: number;
  acceptedMs: number;
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });

/** Starts the platform on fresh data; times count from the spawn. The compile cache lies under `cwd`. */
const startOnce = async (cwd: string): Promise<Start> => {
  const dataDir = await mkdtemp(join(cwd, 'data-'));
  const [gateway, socket1, socket2] = await Promise.all([freePort(), freePort(), freePort()]);
  const env = {
    ...process.env,
    CAAS_DATA: dataDir,
    GATEWAY_PORT: String(gateway),
    SOCKET_1_PORT: String(socket1),
    SOCKET_2_PORT: String(socket2),
    AUTH_GRPC_PORT: '0', // any: nobody here calls gRPC
    CAAS_DRAIN: '50',
    LOG_LEVEL: 'error',
  };
  const startedAt = performance.now();
  const elapsed = (): number => performance.now() - startedAt;
  const child = spawn(process.execPath, ['-C', '@caas/source', '--disable-warning=ExperimentalWarning', main], {
    cwd,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  try {
    await new Promise<void>((resolve, reject) => {
      child.stdout.once('data', () => resolve());
      child.once('exit', (code) => reject(new Error(`the platform ended with ${code}`)));
    });
    const upMs = elapsed();
    const secret = /^CAAS_APP_SECRET=(.+)$/m.exec(await readFile(join(dataDir, 'dev.env'), 'utf8'))?.[1] ?? '';
    const appId = /^CAAS_APP_ID=(.+)$/m.exec(await readFile(join(dataDir, 'dev.env'), 'utf8'))?.[1] ?? '';
    const tokens = await issueTokens(`http://127.0.0.1:${gateway}`, { appId, appSecret: secret }, 'user', 2);
    const [alice, bob] = tokens as [(typeof tokens)[0], (typeof tokens)[0]];
    const tokenMs = elapsed();
    const member = await Member.connect(`ws://127.0.0.1:${socket1}`, alice.accessToken, alice.userId, newTally());
    const welcomeMs = elapsed();
    const reply = (await member.request({
      createConversation: { kind: 'CONVERSATION_KIND_DIRECT', memberIds: [bob.userId] },
    })) as { conversation: { conversation: { conversationId: string } } };
    const { conversationId } = reply.conversation.conversation;
    await new Promise<void>((resolve) => {
      member.onAccepted = () => resolve();
      member.socket.write(new SendTemplate(conversationId, 'first', 200).fill(1, performance.now()));
    });
    const acceptedMs = elapsed();
    member.socket.destroy();
    return { upMs, tokenMs, welcomeMs, acceptedMs };
  } finally {
    child.kill('SIGTERM');
    await exited;
    await rm(dataDir, { recursive: true, force: true });
  }
};

const rowOf = (compileCache: string, runs: readonly Start[]) => {
  const of = (pick: (s: Start) => number): number => Math.round(median(runs.map(pick)));
  return {
    'compile cache': compileCache,
    'up ms': of((s) => s.upMs),
    'token ms': of((s) => s.tokenMs),
    'welcome ms': of((s) => s.welcomeMs),
    'first accepted ms': of((s) => s.acceptedMs),
  };
};

/** From the spawn of the platform on an empty folder to the first accepted message of a client. */
export const start: Bench = async (options: BenchOptions): Promise<Report> => {
  const folder = join(import.meta.dirname, '../.cache/bench');
  await mkdir(folder, { recursive: true });
  const count = options.short ? 1 : starts;
  const cold: Start[] = [];
  const warm: Start[] = [];
  for (let i = 0; i < count; i++) {
    const cwd = await mkdtemp(join(folder, 'start-'));
    cold.push(await startOnce(cwd));
    warm.push(await startOnce(cwd));
    await rm(cwd, { recursive: true, force: true });
  }
  const seconds = (runs: readonly Start[]): number => round(median(runs.map((s) => s.acceptedMs)) / 1_000);
  return {
    bench: 'start',
    rows: [rowOf('cold', cold), rowOf('warm', warm)],
    ratios: [
      { name: 'seconds to the first accepted message, warm', value: seconds(warm), mark: { atMost: 1.5 } },
      { name: 'cold', value: seconds(cold), mark: { atMost: 1.5 } },
    ],
    notes: [`${process.version}, medians of ${count}`],
  };
};
