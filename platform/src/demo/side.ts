import { CaasClient, type Conversation, type NewContent, type SentMessage } from '@caas/client';
import { newTraceparent } from '@caas/kit';
import { WebSocket } from 'ws';
import type { Access } from './config.ts';
import { DemoError } from './demo-error.ts';
import type { Table } from './table.ts';

/** What the demo measures of a send. */
export interface Sent extends SentMessage {
  readonly text: string;
  /** From the call to the node's "accepted", ms. */
  readonly ackMs: number;
  /** When it was sent, ms on the table's clock. */
  readonly sentAtMs: number;
}

export interface Session {
  userId: string;
  accessToken: string;
  socketUrls: readonly string[];
}

/** Longest wait for anything, ms; the demo has a bound of its own above it. */
export const patienceMs = 10_000;

/** One of the two who talk: a client of the SDK that tells the table what it sees. */
export class Side {
  readonly name: string;
  readonly userId: string;
  readonly client: CaasClient;
  /** When each message was first seen, by message id, ms on the table's clock. */
  readonly seenAtMs: Map<string, number> = new Map();
  readonly #table: Table;
  readonly #column: 0 | 1;
  #socket: WebSocket | undefined;
  readonly #wakers = new Set<() => void>();

  constructor(name: string, column: 0 | 1, session: Session, table: Table) {
    this.name = name;
    this.userId = session.userId;
    this.#column = column;
    this.#table = table;
    this.client = new CaasClient({
      // Each keeps to a node of its own, so that what they say crosses nodes.
      urls: [session.socketUrls[column % session.socketUrls.length] as string],
      getToken: async () => session.accessToken,
      // Who is cut off stays away for a second at least, if nobody wakes the client: long enough to miss something.
      limits: { backoffBaseMs: 2_000 },
      random: () => (1 + Math.random()) / 2,
      createSocket: (url, protocols) => {
        this.#socket = new WebSocket(url, protocols);
        // Its close event tells what the client needs to know.
        this.#socket.on('error', () => undefined);
        return this.#socket;
      },
    });
    this.#listen();
  }

  tell(text: string): void {
    this.#table.row(this.#column, text);
  }

  async send(conversation: Conversation, text: string, content: NewContent = { text }): Promise<Sent> {
    const sentAtMs = this.#table.now();
    const sent = await conversation.send(content);
    const ackMs = this.#table.now() - sentAtMs;
    this.tell(`✓ accepted in ${ackMs.toFixed(1)} ms  trace ${sent.traceId.slice(0, 8)}…`);
    return { ...sent, text, ackMs, sentAtMs };
  }

  /** Resolves when a condition holds, looked at after each event of the client. */
  async until(what: string, holds: () => boolean): Promise<void> {
    const deadline = performance.now() + patienceMs;
    while (!holds()) {
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) throw new DemoError(`${this.name} has waited ${patienceMs} ms for ${what}`);
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          clearTimeout(timer);
          this.#wakers.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, leftMs);
        this.#wakers.add(wake);
      });
    }
  }

  /** Cuts the connection with no word, as a network does. */
  cut(): void {
    this.#socket?.terminate();
  }

  #listen(): void {
    const { client } = this;
    const wake = (): void => {
      // After the turn: then the conversation has what the event tells of.
      queueMicrotask(() => {
        for (const each of [...this.#wakers]) each();
      });
    };
    client.on('message', (message) => {
      this.seenAtMs.set(message.messageId, this.#table.now());
      this.tell(`${message.senderId === this.userId ? '→' : '←'} ${message.content?.text ?? ''}`);
      wake();
    });
    client.on('messageChanged', (message) => {
      const reactions = message.reactions.map(({ kind, userIds }) => `${kind} ${userIds.length}`).join(' ');
      this.tell(
        `~ #${message.seq} is now: ${message.content?.text ?? ''}${reactions === '' ? '' : `  [${reactions}]`}`,
      );
      wake();
    });
    client.on('participantChanged', (participant) => {
      if (participant.readSeq > 0) {
        const who = participant.userId === this.userId ? 'read here' : 'the other has read';
        this.tell(`  ${who} up to #${participant.readSeq}`);
      }
      wake();
    });
    client.on('retrying', ({ error, retryInMs }) => {
      this.tell(`✗ ${error.reason}, tries again in ${retryInMs.toFixed(0)} ms`);
    });
    client.on('welcome', ({ nodeId }) => {
      this.tell(`connected to ${nodeId}`);
      wake();
    });
    for (const event of ['committed', 'reset', 'conversations'] as const) client.on(event, wake);
  }
}

/** A user as a tenant's backend gets one: by trading the app's secret at the gateway. */
export const signIn = async (access: Access, name: string, traceparent = newTraceparent()): Promise<Session> => {
  const response = await fetch(`${access.gatewayUrl}/api/v1/auth/sdk/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', traceparent },
    body: JSON.stringify({ app_id: access.appId, app_secret: access.appSecret, user_external_id: name }),
  });
  const body = (await response.json()) as Record<string, string> & { socket_urls: string[] };
  if (!response.ok) throw new DemoError(`the gateway gives ${name} no token: ${body['reason']}, ${body['detail']}`);
  return {
    userId: body['user_id'] as string,
    accessToken: body['access_token'] as string,
    socketUrls: [...body.socket_urls].sort(),
  };
};
