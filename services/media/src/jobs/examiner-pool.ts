import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Logger } from '@caas/kit';
import type { Examination, Examine, ExaminerBounds } from './examiner-messages.ts';

export interface ExaminerPoolOptions {
  /** How long one file may take, in milliseconds. */
  maxExamineMs: number;
  /** How long a process is kept without work, in milliseconds. */
  idleMs: number;
  bounds: ExaminerBounds;
  logger: Logger;
}

type Task = Omit<Examine, 'id'>;

const failed: Examination = { outcome: 'refused', why: 'failed' };

/** One process, and the task it is at. */
class Examiner {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #answer: ((examination: Examination | undefined) => void) | undefined;
  #id = 0;
  ended = false;
  idle: NodeJS.Timeout | undefined;

  constructor({ bounds }: ExaminerPoolOptions) {
    const module = fileURLToPath(new URL('./examiner.ts', import.meta.url));
    // It needs no secret that stands in this process's environment.
    this.#child = fork(module, [JSON.stringify(bounds)], {
      execArgv: ['--max-old-space-size=128', '--disable-warning=ExperimentalWarning'],
      env: { VIPS_WARNING: '0', MALLOC_ARENA_MAX: '2' },
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    this.#child.on('error', () => this.#child.kill('SIGKILL'));
    this.#child.on('message', (message) => {
      const { id, examination } = message as { id?: number; examination: Examination };
      if (id === this.#id) this.#answer?.(examination);
    });
    this.#ended = new Promise((resolve) => {
      this.#child.once('close', () => {
        this.ended = true;
        this.#answer?.(undefined);
        resolve();
      });
    });
  }

  /** What it says; undefined: it took too long, or ended. */
  async examine(task: Task, maxMs: number): Promise<Examination | undefined> {
    this.#id += 1;
    const { promise, resolve } = Promise.withResolvers<Examination | undefined>();
    this.#answer = resolve;
    const overdue = setTimeout(() => this.#child.kill('SIGKILL'), maxMs);
    if (this.ended) resolve(undefined);
    else this.#child.send({ ...task, id: this.#id } satisfies Examine, (error) => error && resolve(undefined));
    const examination = await promise;
    clearTimeout(overdue);
    this.#answer = undefined;
    return examination;
  }

  end(): Promise<void> {
    clearTimeout(this.idle);
    this.#child.kill('SIGKILL');
    return this.#ended;
  }
}

/**
 * Processes that examine files, begun when there is work and ended when there is none. A file that ends its process, or takes
 * too long, is refused; the next one gets a new process.
 */
export class ExaminerPool {
  readonly #options: ExaminerPoolOptions;
  readonly #idle: Examiner[] = [];
  readonly #all = new Set<Examiner>();

  constructor(options: ExaminerPoolOptions) {
    this.#options = options;
  }

  /** Processes there are. */
  get size(): number {
    return this.#all.size;
  }

  /** Examines a file; callers bound how many at a time: each has a process of its own. */
  async examine(task: Task): Promise<Examination> {
    const examiner = this.#take();
    const examination = await examiner.examine(task, this.#options.maxExamineMs);
    if (examination === undefined) {
      this.#options.logger.warn('the examination of a file ended its process, or took too long');
      this.#all.delete(examiner);
      await examiner.end();
      return failed;
    }
    examiner.idle = setTimeout(() => this.#end(examiner), this.#options.idleMs).unref();
    this.#idle.push(examiner);
    return examination;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#all].map((examiner) => this.#end(examiner)));
  }

  #take(): Examiner {
    for (let examiner = this.#idle.pop(); examiner; examiner = this.#idle.pop()) {
      clearTimeout(examiner.idle);
      if (!examiner.ended) return examiner;
      this.#all.delete(examiner);
    }
    const examiner = new Examiner(this.#options);
    this.#all.add(examiner);
    return examiner;
  }

  #end(examiner: Examiner): Promise<void> {
    this.#all.delete(examiner);
    const at = this.#idle.indexOf(examiner);
    if (at >= 0) this.#idle.splice(at, 1);
    return examiner.end();
  }
}
