import type { KeyValue, SetEntry } from '@caas/key-value';
import { CaasError, toCaasError } from '@caas/kit';

/** Entries changed in one call, unless a single change has more. */
const maxEntriesPerCall = 500;
/** Entries that may wait; at it further changes are refused. */
const maxWaitingEntries = 100_000;

interface Change {
  adds: boolean;
  entries: readonly SetEntry[];
  resolve(): void;
  reject(error: CaasError): void;
}

/**
 * Additions to shared sets and removals, in the order made: who is removed after being added is not there, however long a call
 * takes. What comes while a call is under way goes as one with the next. When the store does not answer, all that waits is
 * refused with what it did not answer, rather than each waiting for it in turn.
 */
export class SetChanges {
  readonly #keyValue: KeyValue;
  readonly #ttlMs: number;
  #waiting: Change[] = [];
  #waitingEntries = 0;
  #running = false;

  /** What is added lives for `ttlMs`. */
  constructor(keyValue: KeyValue, ttlMs: number) {
    this.#keyValue = keyValue;
    this.#ttlMs = ttlMs;
  }

  /** Resolves when they are there; rejects OVERLOADED at `maxWaitingEntries`, and as KeyValue does. */
  add(entries: readonly SetEntry[]): Promise<void> {
    return this.#put(true, entries);
  }

  /** As `add`, when they are gone. */
  remove(entries: readonly SetEntry[]): Promise<void> {
    return this.#put(false, entries);
  }

  #put(adds: boolean, entries: readonly SetEntry[]): Promise<void> {
    if (this.#waitingEntries >= maxWaitingEntries) {
      const details = { limit: 'maxWaitingEntries', value: String(maxWaitingEntries), unit: 'entries' };
      return Promise.reject(new CaasError('OVERLOADED', 'too many registrations wait', { details }));
    }
    this.#waitingEntries += entries.length;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ adds, entries, resolve, reject });
      if (this.#running) return;
      this.#running = true;
      setImmediate(() => void this.#run());
    });
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const changes = this.#next();
      const entries = changes.flatMap((change) => change.entries);
      try {
        if (changes[0]?.adds) await this.#keyValue.addToSets(entries, this.#ttlMs);
        else await this.#keyValue.removeFromSets(entries);
        this.#waitingEntries -= entries.length;
        for (const { resolve } of changes) resolve();
      } catch (thrown) {
        this.#waitingEntries -= entries.length;
        this.#refuse(changes, toCaasError(thrown));
      }
    }
    this.#running = false;
  }

  /** Takes what goes in one call: changes of one kind, in their order. */
  #next(): Change[] {
    const adds = this.#waiting[0]?.adds;
    let count = 0;
    let entries = 0;
    for (const change of this.#waiting) {
      entries += change.entries.length;
      if (change.adds !== adds || (count > 0 && entries > maxEntriesPerCall)) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  #refuse(changes: readonly Change[], error: CaasError): void {
    for (const { reject } of changes) reject(error);
    if (error.reason !== 'UNAVAILABLE') return;
    for (const { reject } of this.#waiting) reject(error);
    this.#waiting = [];
    this.#waitingEntries = 0;
  }
}
