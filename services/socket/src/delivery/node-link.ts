import type { NodeInbox } from '@caas/key-value';
import type { Logger } from '@caas/kit';
import { encodeMessage } from '@caas/kit/encode';
import { type NodeEntry, NodeEnvelope } from '@caas/proto/caas/events/v1/node_envelope';
import type { EnvelopeSeal } from './envelope-seal.ts';

/** Bytes of entries in one envelope before it is sent without waiting for the turn to end. */
const maxEnvelopeBytes = 512 * 1024;

/** Envelopes to one node being handed over; at it more are dropped and counted as lost. */
const maxEnvelopesInFlight = 64;

const none = Buffer.alloc(0);

/** How envelopes go. `sealing` false: as they are; those that come sealed are opened all the same. */
export interface Envelopes {
  seal: EnvelopeSeal;
  sealing: boolean;
}

/** Sends what a turn has for other nodes, one envelope each, and receives theirs. Best effort: loss costs seconds. */
export class NodeLink {
  readonly #inbox: NodeInbox;
  readonly #nodeId: string;
  readonly #seal: EnvelopeSeal;
  readonly #sealing: boolean;
  readonly #logger: Logger;
  #outgoing = new Map<string, { entries: NodeEntry[]; bytes: number }>();
  readonly #inFlight = new Map<string, number>();
  #scheduled = false;
  #lost = 0;

  constructor(inbox: NodeInbox, nodeId: string, { seal, sealing }: Envelopes, logger: Logger) {
    this.#inbox = inbox;
    this.#nodeId = nodeId;
    this.#seal = seal;
    this.#sealing = sealing;
    this.#logger = logger;
  }

  /** Envelopes that could not be handed over. */
  get lost(): number {
    return this.#lost;
  }

  /** Queues an entry of about `bytes` for a node; entries for this node itself are the caller's to handle. */
  send(nodeId: string, entry: NodeEntry, bytes: number): void {
    let outgoing = this.#outgoing.get(nodeId);
    if (!outgoing) {
      outgoing = { entries: [], bytes: 0 };
      this.#outgoing.set(nodeId, outgoing);
    }
    outgoing.entries.push(entry);
    outgoing.bytes += bytes;
    if (outgoing.bytes >= maxEnvelopeBytes) {
      this.#outgoing.delete(nodeId);
      this.#hand(nodeId, outgoing.entries);
    } else if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => this.#flush());
    }
  }

  /** Receives entries until stopped; an envelope that can't be read is dropped and logged. */
  listen(handler: (entry: NodeEntry) => void): Promise<() => Promise<void>> {
    return this.#inbox.listen(this.#nodeId, (bytes) => {
      let envelope: NodeEnvelope;
      try {
        envelope = NodeEnvelope.decode(bytes);
        if (envelope.sealed.length > 0) envelope = NodeEnvelope.decode(this.#seal.open(envelope.sealed, this.#nodeId));
      } catch (error) {
        this.#logger.error({ err: error }, 'unreadable envelope dropped');
        return;
      }
      for (const entry of envelope.entries) handler(entry);
    });
  }

  #sealed(nodeId: string, entries: NodeEntry[]): Uint8Array<ArrayBuffer> {
    const bytes = encodeMessage(NodeEnvelope, { entries, sealed: none });
    if (!this.#sealing) return bytes;
    return encodeMessage(NodeEnvelope, { entries: [], sealed: this.#seal.seal(bytes, nodeId) });
  }

  #flush(): void {
    this.#scheduled = false;
    const outgoing = this.#outgoing;
    this.#outgoing = new Map();
    for (const [nodeId, { entries }] of outgoing) this.#hand(nodeId, entries);
  }

  #hand(nodeId: string, entries: NodeEntry[]): void {
    const inFlight = this.#inFlight.get(nodeId) ?? 0;
    if (inFlight >= maxEnvelopesInFlight) {
      this.#lost++;
      this.#logger.debug({ nodeId, limit: 'maxEnvelopesInFlight' }, 'envelope dropped');
      return;
    }
    this.#inFlight.set(nodeId, inFlight + 1);
    this.#inbox
      .send(nodeId, this.#sealed(nodeId, entries))
      .catch((error: unknown) => {
        this.#lost++;
        this.#logger.warn({ err: error, nodeId }, 'envelope not delivered');
      })
      .finally(() => {
        const left = (this.#inFlight.get(nodeId) as number) - 1;
        if (left > 0) this.#inFlight.set(nodeId, left);
        else this.#inFlight.delete(nodeId);
      });
  }
}
