import { decodeParcel, newSender } from './parcel.ts';

/** Senders whose last number a listener remembers; at it the one heard of first is forgotten. */
const maxSenders = 10_000;

/**
 * Receives a node's channel. Numbers keep each sender's envelopes in order and from coming twice where a Cluster's client
 * sends again. Of several listeners of one node the last to claim it goes on, as Redis orders the claims.
 */
export class Listener {
  /** Under this name it claims the node. */
  readonly claimant = newSender();
  readonly #handler: (envelope: Uint8Array) => void;
  readonly #onFault: (fault: unknown) => void;
  readonly #lastNumbers = new Map<string, number>();
  #claimed = false;

  constructor(handler: (envelope: Uint8Array) => void, onFault: (fault: unknown) => void) {
    this.#handler = handler;
    this.#onFault = onFault;
  }

  /** True when its claim has come back: who claims after it, goes on in its place. */
  get claimed(): boolean {
    return this.#claimed;
  }

  /** Takes what the channel brought; false when somebody else's claim came after this one's. */
  receive(bytes: Buffer): boolean {
    const parcel = decodeParcel(bytes);
    if (!parcel) {
      this.#onFault(new TypeError('an unreadable parcel was dropped'));
      return true;
    }
    const { sender, number } = parcel;
    if (number <= (this.#lastNumbers.get(sender) ?? -1)) return true;
    this.#remember(sender, number);
    if (parcel.kind === 'claim') {
      this.#claimed ||= sender === this.claimant;
      return !this.#claimed || sender === this.claimant;
    }
    try {
      this.#handler(parcel.envelope);
    } catch (thrown) {
      this.#onFault(thrown);
    }
    return true;
  }

  #remember(sender: string, number: number): void {
    if (this.#lastNumbers.size >= maxSenders && !this.#lastNumbers.has(sender))
      this.#lastNumbers.delete(this.#lastNumbers.keys().next().value as string);
    this.#lastNumbers.set(sender, number);
  }
}
