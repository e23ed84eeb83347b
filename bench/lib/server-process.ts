import { type ChildProcess, fork } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import type { Answer, Ask, Usage } from './control.ts';

const stopTimeoutMs = 15_000;

export interface ServerOptions {
  env?: Record<string, string>;
  execArgv?: readonly string[];
}

/** A server under measure, in a process of its own. */
export class ServerProcess<Info = unknown> {
  readonly name: string;
  readonly info: Info;
  readonly #child: ChildProcess;
  #waiting: ((value: unknown) => void)[] = [];
  #ended: Error | undefined;
  #fail: ((error: Error) => void)[] = [];

  private constructor(name: string, child: ChildProcess, info: Info) {
    this.name = name;
    this.info = info;
    this.#child = child;
    child.on('message', (answer: Answer) => {
      if (answer.kind === 'answer') this.#waiting.shift()?.(answer.value);
      this.#fail.shift();
    });
    child.once('exit', (code) => {
      this.#ended = new Error(`${name} ended with ${code}`);
      for (const fail of this.#fail.splice(0)) fail(this.#ended);
    });
  }

  /** Starts bench/servers/<name>.ts; resolves when it serves. */
  static async start<Info>(name: string, options: ServerOptions = {}): Promise<ServerProcess<Info>> {
    const child = fork(new URL(`../servers/${name}.ts`, import.meta.url), {
      execArgv: [
        '-C',
        '@caas/source',
        '--expose-gc',
        '--disable-warning=ExperimentalWarning',
        ...(options.execArgv ?? []),
      ],
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const info = await new Promise<Info>((resolve, reject) => {
      child.once('message', (answer: Answer) => {
        if (answer.kind === 'ready') resolve(answer.info as Info);
      });
      child.once('exit', (code) => reject(new Error(`${name} did not start (${code})`)));
    });
    return new ServerProcess(name, child, info);
  }

  usage(): Promise<Usage> {
    return this.#ask('usage') as Promise<Usage>;
  }

  /** Usage after a full collection. */
  collected(): Promise<Usage> {
    return this.#ask('gc') as Promise<Usage>;
  }

  async profile(): Promise<void> {
    await this.#ask('profile');
  }

  /** Ends the profile and writes it. */
  profiled(file: string): Promise<string> {
    return this.#ask({ profiledInto: file }) as Promise<string>;
  }

  /** CPU seconds by name of thread, where the system tells (Linux). */
  threads(): Map<string, number> {
    const root = `/proc/${this.#child.pid}/task`;
    const byName = new Map<string, number>();
    try {
      for (const id of readdirSync(root)) {
        const name = readFileSync(`${root}/${id}/comm`, 'utf8').trim();
        const seconds = Number(readFileSync(`${root}/${id}/schedstat`, 'utf8').split(' ')[0]) / 1e9;
        const label = id === String(this.#child.pid) ? 'main' : name === 'sqlite' ? `sqlite ${id}` : name;
        byName.set(label, (byName.get(label) ?? 0) + seconds);
      }
    } catch {
      // A thread that ended meanwhile, or another system: then there is no breakdown.
    }
    return byName;
  }

  async stop(): Promise<void> {
    if (this.#ended) return;
    const late = setTimeout(() => this.#child.kill('SIGKILL'), stopTimeoutMs);
    const exited = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()));
    this.#child.send('stop' satisfies Ask);
    await exited;
    clearTimeout(late);
  }

  #ask(ask: Ask): Promise<unknown> {
    if (this.#ended) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      this.#waiting.push(resolve);
      this.#fail.push(reject);
      this.#child.send(ask);
    });
  }
}
