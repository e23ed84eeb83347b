import type { SocketEvent, SocketLike } from '../ports.ts';
import { settled } from './fake-clock.ts';

interface SentFrame {
  readonly id: string;
  readonly verb: string;
  readonly request: Record<string, unknown>;
}

/** The far end of one WebSocket, played by a test; it knows no rule of delivery. */
export class FakeSocket implements SocketLike {
  readyState = 0;
  readonly sent: SentFrame[] = [];
  readonly url: string;
  readonly protocols: string[];
  closedByClient = false;
  readonly #listeners = new Map<string, ((event: SocketEvent) => void)[]>();

  constructor(url: string, protocols: string[]) {
    this.url = url;
    this.protocols = protocols;
  }

  addEventListener(type: 'open' | 'message' | 'close' | 'error', listener: (event: SocketEvent) => void): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
  }

  send(data: string): void {
    const { id, traceparent: _, ...command } = JSON.parse(data) as { id: string; traceparent?: string };
    const [verb, request] = Object.entries(command)[0] as [string, Record<string, unknown>];
    this.sent.push({ id, verb, request });
  }

  close(): void {
    this.closedByClient = true;
    this.readyState = 3;
  }

  /** The node's welcome, with an hour's token unless told otherwise. */
  async welcome(fields: object = {}): Promise<void> {
    this.readyState = 1;
    const times = { serverTimeMs: 1_000_000, tokenExpiresAtMs: 4_600_000, pingIntervalMs: 25_000 };
    await this.event({ welcome: { userId: 'me', ...times, maxFrameBytes: 65_536, ...fields } });
  }

  event(event: object): Promise<void> {
    return this.frame({ event });
  }

  /** Answers the oldest open command of a verb. */
  async answer(verb: string, body: object): Promise<void> {
    const index = this.sent.findIndex((frame) => frame.verb === verb);
    const [frame] = this.sent.splice(index, index < 0 ? 0 : 1);
    if (!frame) throw new Error(`no open ${verb}`);
    await this.frame({ id: frame.id, ...body });
  }

  async frame(frame: object): Promise<void> {
    this.#raise('message', { data: JSON.stringify(frame) });
    await settled();
  }

  async closedByNode(code: number): Promise<void> {
    this.readyState = 3;
    this.#raise('close', { code });
    await settled();
  }

  #raise(type: string, event: SocketEvent): void {
    for (const listener of this.#listeners.get(type) ?? []) listener(event);
  }
}
