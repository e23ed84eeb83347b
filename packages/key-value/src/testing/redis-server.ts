import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface RedisServerOptions {
  /** Lines of an ACL file; without them anyone may do anything. */
  acl?: readonly string[];
  /** True: the port speaks TLS; the certificates are among `args`. */
  tls?: boolean;
  /** More arguments of redis-server. */
  args?: readonly string[];
}

/** A redis-server of a test's own, to be killed, stopped and started again on the same port; it keeps nothing on disk. */
export interface RedisServer {
  readonly port: number;
  readonly url: string;
  /** Resolves when its port is open. */
  start(): Promise<void>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  signal(name: 'SIGSTOP' | 'SIGCONT'): void;
  /** Kills it and removes its folder. */
  dispose(): Promise<void>;
}

export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
};

const isOpen = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
      .once('connect', () => resolve(true))
      .once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });

/** How long a server may take to open its port, in milliseconds. */
const startTimeoutMs = 10_000;

/** Starts one; rejects with what to do when redis-server is not there. */
export const startRedis = async ({ acl, tls = false, args = [] }: RedisServerOptions = {}): Promise<RedisServer> => {
  const dir = await mkdtemp(join(tmpdir(), 'caas-redis-'));
  const port = await freePort();
  const aclFile = join(dir, 'users.acl');
  if (acl) await writeFile(aclFile, `${acl.join('\n')}\n`, { mode: 0o600 });
  const fixed = [
    ...(tls ? ['--port', '0', '--tls-port'] : ['--port']),
    `${port}`,
    '--bind',
    '127.0.0.1',
    '--dir',
    dir,
    '--save',
    '',
    '--appendonly',
    'no',
  ];
  let child: ChildProcess | undefined;

  const start = async (): Promise<void> => {
    child = spawn('redis-server', [...fixed, ...(acl ? ['--aclfile', aclFile] : []), ...args], { stdio: 'ignore' });
    let failure: Error | undefined;
    child.once('error', (cause) => {
      failure = new Error('redis-server can not be run: install it (Debian: apt-get install redis-server)', { cause });
    });
    child.once('exit', (code) => {
      failure ??= new Error(`redis-server ended with code ${code} instead of opening its port`);
    });
    const deadline = Date.now() + startTimeoutMs;
    while (!(await isOpen(port))) {
      if (failure || Date.now() > deadline) throw failure ?? new Error('redis-server did not open its port');
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  };
  const kill = async (): Promise<void> => {
    const running = child;
    child = undefined;
    if (!running || running.exitCode !== null || running.signalCode !== null) return;
    const gone = once(running, 'exit');
    running.kill('SIGKILL');
    await gone;
  };
  const dispose = async (): Promise<void> => {
    await kill();
    await rm(dir, { recursive: true, force: true });
  };
  try {
    await start();
  } catch (thrown) {
    await dispose();
    throw thrown;
  }
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    start,
    kill,
    signal: (name) => void child?.kill(name),
    dispose,
  };
};
