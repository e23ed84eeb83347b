import { Severance } from './severable.ts';

/** What can be dropped in the middle of its work. */
export interface Crashable {
  run(signal: AbortSignal): Promise<void>;
  /** Lets go of what the process holds for it (sockets), with no word to anyone. */
  crash?(): void;
}

/** A service of the platform that can be crashed, its state dropped with no clean-up, and started anew. */
export interface Restartable<S extends Crashable = Crashable> {
  readonly name: string;
  readonly current: S;
  /** Resolves when the service is gone. */
  crash(): Promise<void>;
  /** Starts it anew after a crash. */
  restart(): Promise<void>;
  /** Runs through crashes and restarts until the signal. */
  run(signal: AbortSignal): Promise<void>;
}

export const restartable = async <S extends Crashable>(
  name: string,
  crashable: boolean,
  start: (severance: Severance) => Promise<S> | S,
): Promise<Restartable<S>> => {
  let severance = new Severance(crashable);
  let current = await start(severance);
  let running: { signal: AbortSignal; fail: (error: unknown) => void; done: Promise<void> } | undefined;

  const runCurrent = (signal: AbortSignal, fail: (error: unknown) => void): Promise<void> => {
    const mine = severance;
    return current.run(signal).catch((error: unknown) => {
      if (!mine.cut) fail(error);
    });
  };

  return {
    name,
    get current() {
      return current;
    },
    async crash() {
      const severed = severance.sever();
      current.crash?.();
      await severed;
    },
    async restart() {
      severance = new Severance(crashable);
      current = await start(severance);
      if (running) running.done = runCurrent(running.signal, running.fail);
    },
    async run(signal) {
      const stopped = new Promise<void>((resolve) => {
        if (signal.aborted) resolve();
        else signal.addEventListener('abort', () => resolve(), { once: true });
      });
      await new Promise<void>((resolve, reject) => {
        running = { signal, fail: reject, done: Promise.resolve() };
        running.done = runCurrent(signal, reject);
        void stopped.then(resolve);
      });
      // A crashed instance never finishes; the one that runs does.
      if (!severance.cut) await running?.done;
    },
  };
};
