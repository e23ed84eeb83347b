import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Platform, PlatformOptions } from '@caas/platform';

/** What the process is told to do. */
export interface Order {
  id: number;
  order: 'crash' | 'restart' | 'flush' | 'stop';
  /** Name of the service to crash or restart. */
  service?: string;
}

type Where = Pick<Platform, 'gatewayUrl' | 'socketUrls' | 'authAddress' | 'complianceAddress' | 'app'>;
type Told = { ready: Where } | { done: number; fault?: string };

const portOf = (url: string): number => Number(new URL(url).port);

/** The whole system in a process of its own, that can be killed and started again on the same data and ports. */
export class KillablePlatform {
  readonly dataDir: string;
  readonly #options: Partial<PlatformOptions>;
  #process: ChildProcess | undefined;
  #where: Where | undefined;
  #nextId = 0;
  readonly #open = new Map<number, { resolve(): void; reject(error: Error): void }>();

  private constructor(dataDir: string, options: Partial<PlatformOptions>) {
    this.dataDir = dataDir;
    this.#options = options;
  }

  static async start(options: Partial<PlatformOptions> = {}): Promise<KillablePlatform> {
    const platform = new KillablePlatform(options.dataDir ?? (await mkdtemp(join(tmpdir(), 'caas-'))), options);
    await platform.start();
    return platform;
  }

  get where(): Where {
    if (!this.#where) throw new Error('the platform has not started');
    return this.#where;
  }

  /** Of the process that runs. */
  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  /** Starts it, the first time on free ports, later on the same ones: who is to find it again. Else others may have them. */
  async start({ samePorts = true } = {}): Promise<void> {
    const before = samePorts ? this.#where : undefined;
    const options: PlatformOptions = {
      host: '127.0.0.1',
      gatewayPort: before ? portOf(before.gatewayUrl) : 0,
      socketPorts: before ? before.socketUrls.map(portOf) : [0, 0],
      mediaPort: 0,
      authPort: 0,
      developmentApp: true,
      drainMs: 50,
      logLevel: 'error',
      ...this.#options,
      dataDir: this.dataDir,
    };
    const child = fork(join(import.meta.dirname, 'platform-process.ts'), [JSON.stringify(options)], {
      execArgv: ['-C', '@caas/source', '--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#process = child;
    this.#where = await new Promise<Where>((resolve, reject) => {
      child.on('message', (told: Told) => {
        if ('ready' in told) resolve(told.ready);
        else this.#done(told.done, told.fault);
      });
      child.on('exit', (code, signal) => {
        reject(new Error(`the platform ended: ${signal ?? code}`));
        for (const id of [...this.#open.keys()]) this.#done(id, `the platform ended: ${signal ?? code}`);
      });
    });
  }

  /** SIGKILL: no word to anyone, nothing cleaned up. Resolves when the process is gone. */
  async kill(): Promise<void> {
    await this.#ended(() => this.#process?.kill('SIGKILL'));
  }

  /** Drops a service inside the process with its state. */
  crash(service: string): Promise<void> {
    return this.#tell({ order: 'crash', service });
  }

  restart(service: string): Promise<void> {
    return this.#tell({ order: 'restart', service });
  }

  /** Stops everything orderly; the data stays. */
  async stop(): Promise<void> {
    await this.#ended(() => this.#tell({ order: 'stop' }));
  }

  /** Ends it in any state and removes its data. */
  async remove(): Promise<void> {
    await this.kill();
    await rm(this.dataDir, { recursive: true, force: true });
  }

  async #ended(end: () => unknown): Promise<void> {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    await end();
    await gone;
  }

  #tell(order: Omit<Order, 'id'>): Promise<void> {
    const id = ++this.#nextId;
    return new Promise((resolve, reject) => {
      this.#open.set(id, { resolve, reject });
      this.#process?.send({ id, ...order }, (error) => {
        if (error) this.#done(id, error.message);
      });
    });
  }

  #done(id: number, fault: string | undefined): void {
    const open = this.#open.get(id);
    this.#open.delete(id);
    if (fault === undefined) open?.resolve();
    else open?.reject(new Error(fault));
  }
}
