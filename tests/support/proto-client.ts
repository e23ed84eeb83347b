import { until } from '@caas/kit/testing/until';
import { ClientFrame } from '@caas/proto/caas/socket/v1/commands';
import { ServerFrame } from '@caas/proto/caas/socket/v1/server_frames';
import { WebSocket } from 'ws';
import type { Closed, Frame } from './raw-client.ts';

/** A client of the binary subprotocol: commands are given and answers read in protobuf JSON, to be compared. */
export class ProtoClient {
  readonly ws: WebSocket;
  readonly frames: Frame[] = [];
  closed: Closed | undefined;
  #nextId = 0;

  private constructor(url: string, token: string) {
    this.ws = new WebSocket(url, ['caas.v1.proto'], { headers: { authorization: `Bearer ${token}` } });
    this.ws.on('message', (data) => this.frames.push(ServerFrame.toJSON(ServerFrame.decode(data as Buffer))));
    this.ws.on('close', (code, reason) => {
      this.closed = { code, reason: reason.toString() };
    });
    this.ws.on('error', () => undefined);
  }

  static async open(url: string, token: string): Promise<ProtoClient> {
    const client = new ProtoClient(url, token);
    await client.waitFor((frame) => frame.event?.welcome);
    return client;
  }

  async ask(command: Frame): Promise<Frame> {
    const id = `p${++this.#nextId}`;
    this.ws.send(ClientFrame.encode(ClientFrame.fromJSON({ id, ...command })).finish());
    const frame = await this.waitFor((f) => f.id === id);
    return frame.reply ?? { error: frame.error };
  }

  waitFor(matches: (frame: Frame) => unknown): Promise<Frame> {
    return until(
      `a frame with ${matches}`,
      () => this.frames.find((frame) => matches(frame)),
      (frame) => frame !== undefined || this.closed !== undefined,
      5_000,
    );
  }

  async close(): Promise<void> {
    this.ws.close();
    await until('close', () => this.closed, Boolean);
  }
}
