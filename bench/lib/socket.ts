import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';

/** All sockets read into one buffer: a read is handed over before the next one begins. */
const readBuffer = Buffer.allocUnsafe(256 * 1024);
const pongFrame = Buffer.from([0x8a, 0x80, 0, 0, 0, 0]);
const emptyBuffer = Buffer.alloc(0);
/** The mask of all frames: any is allowed; one that is not zero makes the server do its work. */
export const mask = 0x5a;

/** Gets the payload of each text frame, in place; it must not keep the buffer. */
export type FrameHandler = (bytes: Buffer, start: number, end: number) => void;

/**
 * A WebSocket client that costs little, so that what is measured is the server: no objects for frames, no copies but of
 * what a read cut in two. Knows what servers in these benches send: unmasked text frames, pings, closes.
 */
export class RawSocket {
  onFrame: FrameHandler = () => undefined;
  /** Called after the frames of one read. */
  onRead: () => void = () => undefined;
  onClose: (why: string) => void = () => undefined;
  readonly #socket: Socket;
  #rest: Buffer = emptyBuffer;
  #open = false;
  #opened: ((error?: Error) => void) | undefined;

  private constructor(url: URL) {
    this.#socket = connect({
      host: url.hostname,
      port: Number(url.port),
      noDelay: true,
      onread: { buffer: readBuffer, callback: (bytes: number) => this.#read(bytes) },
    });
    this.#socket.on('error', (error) => this.#ended(error.message));
    this.#socket.on('close', () => this.#ended('closed'));
  }

  /** Opens a connection; frames that come with the handshake go to `onFrame` already. */
  static open(target: string, token: string | undefined, onFrame: FrameHandler): Promise<RawSocket> {
    const url = new URL(target);
    const socket = new RawSocket(url);
    socket.onFrame = onFrame;
    const lines = [
      `GET ${url.pathname}${url.search} HTTP/1.1`,
      `Host: ${url.host}`,
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
      ...(token === undefined ? [] : ['Sec-WebSocket-Protocol: caas.v1.json', `Authorization: Bearer ${token}`]),
    ];
    socket.#socket.write(`${lines.join('\r\n')}\r\n\r\n`);
    return new Promise((resolve, reject) => {
      socket.#opened = (error) => (error ? reject(error) : resolve(socket));
    });
  }

  /** Writes a frame made by `maskedFrame`. */
  write(frame: Buffer): void {
    this.#socket.write(frame);
  }

  cork(): void {
    this.#socket.cork();
  }

  uncork(): void {
    this.#socket.uncork();
  }

  destroy(): void {
    this.onClose = () => undefined;
    this.#socket.destroy();
  }

  #ended(why: string): void {
    const opened = this.#opened;
    this.#opened = undefined;
    opened?.(new Error(why));
    if (this.#open) this.onClose(why);
    this.#open = false;
  }

  #read(length: number): boolean {
    let bytes = readBuffer;
    let end = length;
    if (this.#rest.length > 0) {
      bytes = Buffer.concat([this.#rest, readBuffer.subarray(0, length)]);
      end = bytes.length;
      this.#rest = emptyBuffer;
    }
    let at = this.#open ? 0 : this.#handshake(bytes, end);
    if (this.#open) at = this.#frames(bytes, at, end);
    if (at < end) this.#rest = Buffer.from(bytes.subarray(at, end));
    this.onRead();
    return true;
  }

  #handshake(bytes: Buffer, end: number): number {
    const head = bytes.indexOf('\r\n\r\n');
    if (head < 0 || head > end) return 0;
    const text = bytes.toString('latin1', 0, end);
    if (!text.startsWith('HTTP/1.1 101')) {
      this.#ended(text.slice(0, 600));
      return end;
    }
    this.#open = true;
    this.#opened?.();
    this.#opened = undefined;
    return head + 4;
  }

  #frames(bytes: Buffer, from: number, end: number): number {
    let at = from;
    while (end - at >= 2) {
      const opcode = (bytes[at] as number) & 0x0f;
      let payloadAt = at + 2;
      let length = (bytes[at + 1] as number) & 0x7f;
      if (length === 126) {
        if (end - at < 4) break;
        length = ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
        payloadAt = at + 4;
      } else if (length === 127) {
        if (end - at < 10) break;
        length = bytes.readUInt32BE(at + 6);
        payloadAt = at + 10;
      }
      if (payloadAt + length > end) break;
      if (opcode === 1) this.onFrame(bytes, payloadAt, payloadAt + length);
      else if (opcode === 9) this.#socket.write(pongFrame);
      else if (opcode === 8) this.#ended(`close ${length >= 2 ? bytes.readUInt16BE(payloadAt) : ''}`);
      at = payloadAt + length;
    }
    return at;
  }
}

/** A client's text frame; `payloadAt` says where its payload begins. */
export const maskedFrame = (text: string): { frame: Buffer; payloadAt: number } => {
  const payload = Buffer.from(text);
  const payloadAt = (payload.length < 126 ? 2 : payload.length < 65_536 ? 4 : 10) + 4;
  const frame = Buffer.alloc(payloadAt + payload.length, mask);
  frame[0] = 0x81;
  frame[1] = 0x80 | (payload.length < 126 ? payload.length : payload.length < 65_536 ? 126 : 127);
  if (payloadAt === 8) frame.writeUInt16BE(payload.length, 2);
  if (payloadAt === 14) frame.writeBigUInt64BE(BigInt(payload.length), 2);
  for (let i = 0; i < payload.length; i++) frame[payloadAt + i] = (payload[i] as number) ^ mask;
  return { frame, payloadAt };
};
