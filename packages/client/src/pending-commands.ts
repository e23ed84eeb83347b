import { CaasClientError, limitError } from './errors.ts';
import type { Clock } from './ports.ts';

interface Open<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: CaasClientError) => void;
  readonly expiresAtMs: number;
}

/** Commands that wait for their answer, by frame id; one timer for all, since all have the same time. */
export class PendingCommands<T> {
  readonly #open = new Map<string, Open<T>>();
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #max: number;
  #timer: unknown;
  #ids = 0;

  constructor(clock: Clock, timeoutMs: number, max: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#max = max;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Opens a command and gives its frame id to `send`. Rejects with LIMIT_EXCEEDED at the bound, DEADLINE_EXCEEDED after the time. */
  open(send: (id: string) => void): Promise<T> {
    if (this.#open.size >= this.#max) return Promise.reject(limitError('maxPendingCommands', 'commands', this.#max));
    const id = (++this.#ids).toString(36);
    return new Promise((resolve, reject) => {
      this.#open.set(id, { resolve, reject, expiresAtMs: this.#clock.now() + this.#timeoutMs });
      this.#timer ??= this.#clock.setTimeout(() => this.#expire(), this.#timeoutMs);
      send(id);
    });
  }

  resolve(id: string, value: T): void {
    this.#take(id)?.resolve(value);
  }

  reject(id: string, error: CaasClientError): void {
    this.#take(id)?.reject(error);
  }

  rejectAll(error: CaasClientError): void {
    for (const id of [...this.#open.keys()]) this.reject(id, error);
  }

  #take(id: string): Open<T> | undefined {
    const open = this.#open.get(id);
    this.#open.delete(id);
    if (this.#open.size === 0) {
      this.#clock.clearTimeout(this.#timer);
      this.#timer = undefined;
    }
    return open;
  }

  #expire(): void {
    this.#timer = undefined;
    const now = this.#clock.now();
    for (const [id, { expiresAtMs }] of this.#open) {
      if (expiresAtMs > now) {
        this.#timer = this.#clock.setTimeout(() => this.#expire(), expiresAtMs - now);
        return;
      }
      this.reject(
        id,
        new CaasClientError('DEADLINE_EXCEEDED', 'no answer in time; the command may or may not have taken effect', {
          retryable: true,
        }),
      );
    }
  }
}
