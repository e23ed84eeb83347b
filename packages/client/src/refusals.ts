import { CaasClientError } from './errors.ts';

/** Refused messages remembered; of one refused longer ago a second notice might be told again. */
const maxRefusals = 1_000;

/** What is known when a message is missing from where it should be, and the notice that says why was missed. */
export const notApplied = (): CaasClientError =>
  new CaasClientError('FAILED_PRECONDITION', 'the message was accepted, but was not applied');

interface Refusal {
  /** Position up to which the records of the message are known to be refused. */
  readonly position: number;
  readonly error: CaasClientError;
}

/** Messages of one's own refused after acceptance: a notice and a sync may both tell of one, the application hears it once. */
export class Refusals {
  readonly #known = new Map<string, Refusal>();

  /**
   * The record at a position was refused, and with it all up to another one. True when the application has not been told
   * of it; a record after those that were refused is another attempt.
   */
  add(messageId: string, position: number, error: CaasClientError, upTo: number = position): boolean {
    const known = this.#known.get(messageId);
    const isNew = !known || known.position < position;
    this.#known.delete(messageId);
    this.#known.set(messageId, { position: Math.max(known?.position ?? 0, upTo), error });
    if (this.#known.size > maxRefusals) this.#known.delete(this.#known.keys().next().value as string);
    return isNew;
  }

  /** Why the record of a message at a position was refused, where it is known that it was. */
  errorOf(messageId: string, position: number): CaasClientError | undefined {
    const known = this.#known.get(messageId);
    return known && known.position >= position ? known.error : undefined;
  }
}
