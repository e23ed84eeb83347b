import {
  type DeadLetter,
  DeadLetterHeader,
  deadLettersIn,
  type EventLog,
  parkMarkTopic,
  putAside,
  tenantHeader,
} from '@caas/event-log';
import { CaasError } from '@caas/kit';
import { conversationName } from './shard-state.ts';

/** Conversations that may be parked at a time; past it the shard stops, because the fault is not theirs. */
export const maxParkedConversations = 10_000;

/** What a dead letter is: unreadable by itself, kept back behind a parked conversation, or a mark. */
export type DeadLetterKind = 'poison' | 'kept-back' | 'parked' | 'resumed' | 'retried';

/** Header of a record that an operator sent again; lets its parked conversation go on. */
export const retriedHeader = 'dlq-retried';

/**
 * The records that could not be applied, and the conversations that are parked behind one. The marks "parked" and
 * "resumed" are records of the log, so that a worker that starts later knows; see docs/adr/0010-dead-letters.md.
 */
export class DeadLetters {
  readonly #log: EventLog;
  readonly #parked = new Set<string>();

  constructor(log: EventLog) {
    this.#log = log;
  }

  isParked(name: string): boolean {
    return this.#parked.has(name);
  }

  get parkedCount(): number {
    return this.#parked.size;
  }

  /** Reads the marks anew. */
  async load(): Promise<void> {
    for await (const { key, headers } of deadLettersIn(this.#log, parkMarkTopic)) {
      const name = conversationName(headers[tenantHeader] ?? '', key);
      if (headers[DeadLetterHeader.kind] === 'parked') this.#parked.add(name);
      if (headers[DeadLetterHeader.kind] === 'resumed') this.#parked.delete(name);
    }
  }

  /** Puts records aside with the reason and their position. Durable when it resolves. */
  put(records: readonly DeadLetter<DeadLetterKind>[]): Promise<void> {
    return putAside(this.#log, records);
  }

  /** Parks a conversation: from now on its records are kept back, in order, until an operator sends them again. */
  async park(tenantId: string, conversationId: string, reason: string): Promise<void> {
    if (this.#parked.size >= maxParkedConversations)
      throw new CaasError('UNAVAILABLE', 'too many conversations are parked', {
        details: { limit: 'maxParkedConversations', value: String(maxParkedConversations) },
      });
    await this.#mark(tenantId, conversationId, 'parked', reason);
    this.#parked.add(conversationName(tenantId, conversationId));
  }

  async resume(tenantId: string, conversationId: string): Promise<void> {
    await this.#mark(tenantId, conversationId, 'resumed', 'sent again');
    this.#parked.delete(conversationName(tenantId, conversationId));
  }

  async #mark(tenantId: string, conversationId: string, kind: DeadLetterKind, reason: string): Promise<void> {
    const headers = { [tenantHeader]: tenantId, [DeadLetterHeader.kind]: kind, [DeadLetterHeader.reason]: reason };
    await this.#log.append([{ topic: parkMarkTopic, key: conversationId, value: new Uint8Array(0), headers }]);
  }
}
