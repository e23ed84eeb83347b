import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ProcessPlan } from './engine.ts';
import { holdsWithin } from './poll.ts';
import { forgetProcessId, isAlive, readProcessId, signalGroup, writeProcessId } from './process-id.ts';

/** How long an engine may take until it serves, in milliseconds: a busy machine starts a JVM in 30 s. */
const readyMs = 90_000;
/** How long an engine may take to end in good order, in milliseconds; then it is killed. */
const stopMs = 20_000;
/** How much of a log is looked at and shown, in bytes. */
const maxLogBytes = 64 * 1024;

export interface ProcessFolders {
  logs: string;
  /** Who runs, for the next start to find what a killed supervisor left. */
  run: string;
}

/** One process of an engine, to be killed, paused and started again on the same data and port. */
export class EngineProcess {
  readonly plan: ProcessPlan;
  /** Everything it printed, over all its starts. */
  readonly logFile: string;
  readonly #pidFile: string;
  #child: ChildProcess | undefined;
  #gone: Promise<void> = Promise.resolve();
  #logStart = 0;
  /** True from an order to end until the next start: an end without one is a fault. */
  #told = true;
  /** Told when it ends by itself. */
  onLost: ((how: string) => void) | undefined;

  constructor(plan: ProcessPlan, { logs, run }: ProcessFolders) {
    this.plan = plan;
    this.logFile = join(logs, `${plan.name}.log`);
    this.#pidFile = join(run, `${plan.name}.json`);
  }

  get pid(): number | undefined {
    return this.#isGone() ? undefined : this.#child?.pid;
  }

  /** Starts it and resolves when it serves. `env` adds to the plan's, for this start. */
  async start(env: Readonly<Record<string, string>> = {}): Promise<void> {
    if (this.pid !== undefined) throw new Error(`${this.plan.name} runs already`);
    const child = await this.#spawn(env);
    const { pid } = child;
    if (pid === undefined) throw new Error(`${this.plan.name} did not start: is ${this.plan.command[0]} there?`);
    await writeProcessId(this.#pidFile, pid);
    const isReady = async (): Promise<boolean> => this.#isGone() || this.plan.isReady(await this.#log());
    const inTime = await holdsWithin(readyMs, isReady);
    if (inTime && !this.#isGone()) return;
    await this.kill();
    const how = inTime ? 'ended at its start' : `was not ready within ${readyMs} ms`;
    throw new Error(`${this.plan.name} ${how}; ${this.logFile} ends in:\n${(await this.#log()).slice(-2_000)}`);
  }

  /** SIGKILL; resolves when it is gone. */
  async kill(): Promise<void> {
    this.#told = true;
    this.#signal('SIGKILL');
    await this.#gone;
    await forgetProcessId(this.#pidFile);
  }

  /** SIGSTOP: it keeps its port and its connections and answers nothing. */
  pause(): void {
    this.#signal('SIGSTOP');
  }

  resume(): void {
    this.#signal('SIGCONT');
  }

  /** Ends it in good order, or by SIGKILL when it takes too long. */
  async stop(): Promise<void> {
    if (this.pid === undefined) return;
    this.#told = true;
    this.#signal('SIGTERM');
    this.#signal('SIGCONT');
    if (!(await holdsWithin(stopMs, () => this.#isGone()))) return this.kill();
    await forgetProcessId(this.#pidFile);
    await this.plan.stopped?.();
  }

  /** At the exit of this process: nothing is left running, and nothing can be waited for. */
  killNow(): void {
    this.#told = true;
    this.#signal('SIGKILL');
  }

  #isGone(): boolean {
    return this.#child === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  #signal(signal: NodeJS.Signals): void {
    if (this.pid !== undefined) signalGroup(this.pid, signal);
  }

  /** In a process group of its own, so that a Ctrl-C at the terminal reaches the supervisor alone. */
  async #spawn(env: Readonly<Record<string, string>>): Promise<ChildProcess> {
    const log = openSync(this.logFile, 'a', 0o600);
    this.#logStart = (await stat(this.logFile)).size;
    const [command, ...args] = this.plan.command;
    const child = spawn(command, args, {
      detached: true,
      stdio: ['ignore', log, log],
      env: { ...process.env, ...this.plan.env, ...env },
      ...(this.plan.cwd !== undefined && { cwd: this.plan.cwd }),
    });
    closeSync(log);
    this.#child = child;
    this.#told = false;
    this.#gone = new Promise((resolve) => {
      child.once('error', () => resolve());
      child.once('exit', (code, signal) => {
        if (!this.#told) this.onLost?.(`${this.plan.name} ended with ${signal ?? code}; see ${this.logFile}`);
        resolve();
      });
    });
    return child;
  }

  /** What it has printed since its start, at most the last maxLogBytes of it. */
  async #log(): Promise<string> {
    const handle = await open(this.logFile, 'r');
    try {
      const { size } = await handle.stat();
      const from = Math.max(this.#logStart, size - maxLogBytes);
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(size - from), 0, size - from, from);
      return buffer.toString('utf8', 0, bytesRead);
    } finally {
      await handle.close();
    }
  }
}

/** Ends what an earlier supervisor, killed itself, left running; answers whether there was something. */
export const endOrphan = async (pidFile: string): Promise<boolean> => {
  const orphan = await readProcessId(pidFile);
  const runs = orphan !== undefined && (await isAlive(orphan));
  if (runs) {
    const isGone = async (): Promise<boolean> => !(await isAlive(orphan));
    signalGroup(orphan.pid, 'SIGTERM');
    signalGroup(orphan.pid, 'SIGCONT');
    if (!(await holdsWithin(stopMs, isGone))) signalGroup(orphan.pid, 'SIGKILL');
    if (!(await holdsWithin(stopMs, isGone))) throw new Error(`process ${orphan.pid} can't be ended`);
  }
  await forgetProcessId(pidFile);
  return runs;
};
