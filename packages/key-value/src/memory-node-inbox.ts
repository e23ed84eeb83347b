import { CaasError } from '@caas/kit';
import type { NodeInbox } from './port.ts';

/** Greatest envelope, in bytes. */
export const maxEnvelopeBytes = 1024 * 1024;
/** Bytes that may wait for one node within a turn; more is dropped and counted. */
export const defaultMaxQueueBytes = 16 * 1024 * 1024;

export interface MemoryNodeInboxOptions {
  maxQueueBytes?: number;
  /** For logs: a listener that threw. Default: a process warning. */
  onFault?(fault: unknown): void;
}

/** NodeInbox between the nodes of one process. Envelopes are handed on as they are: neither side changes them. */
export interface MemoryNodeInbox extends NodeInbox {
  /** Envelopes dropped because a queue was full or nobody listened. */
  readonly dropped: number;
}

interface Inbox {
  handler(envelope: Uint8Array): void;
  queue: Uint8Array[];
  queuedBytes: number;
}

export const memoryNodeInbox = (options: MemoryNodeInboxOptions = {}): MemoryNodeInbox => new QueueNodeInbox(options);

const warn = (fault: unknown): void => {
  process.emitWarning(`node inbox: a listener failed: ${String(fault)}`);
};

class QueueNodeInbox implements MemoryNodeInbox {
  readonly #maxQueueBytes: number;
  readonly #report: (fault: unknown) => void;
  readonly #inboxes = new Map<string, Inbox>();
  #dropped = 0;
  #closed = false;

  constructor({ maxQueueBytes = defaultMaxQueueBytes, onFault = warn }: MemoryNodeInboxOptions) {
    this.#maxQueueBytes = maxQueueBytes;
    this.#report = onFault;
  }

  get dropped(): number {
    return this.#dropped;
  }

  async send(nodeId: string, envelope: Uint8Array): Promise<void> {
    this.#checkOpen();
    if (envelope.byteLength > maxEnvelopeBytes)
      throw new CaasError('INVALID_ARGUMENT', 'the envelope is too large', { details: { limit: 'maxEnvelopeBytes' } });
    const inbox = this.#inboxes.get(nodeId);
    if (!inbox || inbox.queuedBytes + envelope.byteLength > this.#maxQueueBytes) {
      this.#dropped += 1;
      return;
    }
    // In a later turn, as over a network: no sender runs its receiver's code, and a turn's envelopes arrive together.
    if (inbox.queue.length === 0) setImmediate(() => this.#deliver(inbox));
    inbox.queue.push(envelope);
    inbox.queuedBytes += envelope.byteLength;
  }

  /** A new listener takes the place of an older one: a node that crashed and came back is not shut out by its ghost. */
  async listen(nodeId: string, handler: (envelope: Uint8Array) => void): Promise<() => Promise<void>> {
    this.#checkOpen();
    const inbox: Inbox = { handler, queue: [], queuedBytes: 0 };
    this.#stop(nodeId, this.#inboxes.get(nodeId));
    this.#inboxes.set(nodeId, inbox);
    return async () => this.#stop(nodeId, inbox);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const [nodeId, inbox] of this.#inboxes) this.#stop(nodeId, inbox);
  }

  #checkOpen(): void {
    if (this.#closed) throw new CaasError('DRAINING', 'the node inbox is closed');
  }

  #stop(nodeId: string, inbox: Inbox | undefined): void {
    if (!inbox) return;
    if (this.#inboxes.get(nodeId) === inbox) this.#inboxes.delete(nodeId);
    this.#dropped += inbox.queue.length;
    inbox.queue = [];
  }

  #deliver(inbox: Inbox): void {
    const envelopes = inbox.queue;
    inbox.queue = [];
    inbox.queuedBytes = 0;
    for (const envelope of envelopes) {
      try {
        inbox.handler(envelope);
      } catch (thrown) {
        this.#report(thrown);
      }
    }
  }
}
