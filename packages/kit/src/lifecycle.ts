import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigError } from './config.ts';
import { CaasError } from './errors.ts';

/** Whatever lives: works until the signal aborts, then finishes what it must and returns. Throws only on a fault. */
export interface Runnable {
  /** Named when it fails to stop. */
  readonly name?: string;
  run(signal: AbortSignal): Promise<void>;
}

export interface RunOptions {
  /** How long all of them together may take to stop after the signal, in milliseconds. */
  drainMs?: number;
}

const nameOf = (runnable: Runnable, index: number): string => runnable.name ?? `#${index + 1}`;

/**
 * Runs all until the signal aborts or one of them fails, which stops the others. One that returns early is done and
 * the others go on. Throws the first fault; throws too, naming them, when some have not stopped within `drainMs`.
 */
export const runAll = async (
  runnables: readonly Runnable[],
  signal: AbortSignal,
  { drainMs = 10_000 }: RunOptions = {},
): Promise<void> => {
  const failed = new AbortController();
  const stop = AbortSignal.any([signal, failed.signal]);
  const faults: unknown[] = [];
  const running = new Map(runnables.map((runnable, index) => [index, nameOf(runnable, index)]));
  const all = Promise.all(
    runnables.map(async (runnable, index) => {
      try {
        await runnable.run(stop);
      } catch (error) {
        faults.push(error);
        failed.abort(error);
      } finally {
        running.delete(index);
      }
    }),
  );

  const drained = new AbortController();
  const overdue = async (): Promise<void> => {
    if (!stop.aborted) await new Promise((resolve) => stop.addEventListener('abort', resolve, { once: true }));
    await sleep(drainMs, undefined, { signal: drained.signal }).catch(() => undefined);
  };
  await Promise.race([all, overdue()]);
  drained.abort();
  if (faults.length > 0) throw faults[0];
  if (running.size > 0) throw new Error(`not stopped within ${drainMs} ms: ${[...running.values()].join(', ')}`);
};

/**
 * One Ctrl-C may arrive as two signals: the terminal sends it to the whole group, and npm passes its own on. What follows
 * within this time is the same one, in milliseconds.
 */
const sameSignalMs = 500;

/** Aborts at the first SIGINT or SIGTERM; at the next, sameSignalMs later or more, the process exits at once with code 130. */
export const untilSignal = (): AbortSignal => {
  const controller = new AbortController();
  let firstAtMs = 0;
  const onSignal = (name: NodeJS.Signals): void => {
    if (!controller.signal.aborted) firstAtMs = performance.now();
    else if (performance.now() - firstAtMs >= sameSignalMs) process.exit(130);
    controller.abort(new Error(name));
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return controller.signal;
};

/** Exit code for settings a process can't start with (EX_CONFIG of sysexits.h). */
const configExitCode = 78;

/** What a main.ts ends in: runs until the signal; wrong settings are told plainly, faults with their stack. */
export const runMain = async (main: (signal: AbortSignal) => Promise<void>): Promise<void> => {
  try {
    await main(untilSignal());
    process.exitCode = 0;
  } catch (error) {
    const wrongSettings = error instanceof ConfigError;
    // What is away is no fault of the program's: a sentence, and an exit code that a supervisor starts it again for.
    const away = error instanceof CaasError && error.retryable;
    const text = wrongSettings || away ? error.message : error instanceof Error ? error.stack : String(error);
    process.stderr.write(`${text}\n`);
    process.exitCode = wrongSettings ? configExitCode : 1;
  }
  // What is stuck must not keep a process alive that has been told to stop; exit handlers still run.
  process.exit();
};
