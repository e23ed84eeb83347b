import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';

const busy = 5; // SQLITE_BUSY
const intervalMs = 200;

/** A lock that the kernel gives back when its holder dies, however it dies. Answers how to let go; undefined: another has it. */
export const tryLock = (file: string): (() => void) | undefined => {
  const lock = new DatabaseSync(file);
  try {
    lock.exec('BEGIN EXCLUSIVE');
  } catch (thrown) {
    lock.close();
    if ((thrown as { errcode?: number }).errcode === busy) return undefined;
    throw thrown;
  }
  return () => lock.close();
};

/** The same, waiting for the other one. */
export const lock = async (file: string): Promise<() => void> => {
  for (;;) {
    const release = tryLock(file);
    if (release) return release;
    await sleep(intervalMs);
  }
};
