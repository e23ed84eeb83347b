import { createReadStream, createWriteStream, type WriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { CaasClient, Message } from '@caas/client';

/** A message as a client saw it. */
export interface SeenMessage {
  conversation: string;
  seq: number;
  position: number;
  messageId: string;
  sender: string;
  clientMsgId: string;
  text: string;
}

/** One line of what a client did and saw; `client` is its user. */
export type Entry = { client: string } & (
  | { event: 'member'; conversation: string }
  /** `ordinal` counts what the client sent to the conversation. */
  | { event: 'sending'; conversation: string; clientMsgId: string; ordinal: number; text: string }
  | { event: 'accepted'; conversation: string; clientMsgId: string; messageId: string }
  | { event: 'failed'; conversation: string; clientMsgId: string; reason: string }
  /** Its list of the conversation begins anew. */
  | { event: 'reset'; conversation: string }
  /** Told live that the message has its seq. */
  | ({ event: 'committed' } & SeenMessage)
  /** In the list at the end; `view` says in which: the one kept in step, or what history answers. */
  | ({ event: 'held'; view: View } & SeenMessage)
  /** What the list at the end claims to be. */
  | { event: 'head'; view: View; conversation: string; lastSeq: number; digest: string }
);
export type View = 'live' | 'history';

const seen = (message: Message): SeenMessage => ({
  conversation: message.conversationId,
  seq: message.seq,
  position: message.position,
  messageId: message.messageId,
  sender: message.senderId,
  clientMsgId: message.clientMsgId,
  text: message.content?.text ?? '',
});

/** Writes what one client does and sees to a file of JSON lines, for the checker to judge. */
export class Recorder {
  readonly file: string;
  readonly client: string;
  readonly #stream: WriteStream;
  readonly #ordinals = new Map<string, number>();

  constructor(file: string, client: string) {
    this.file = file;
    this.client = client;
    this.#stream = createWriteStream(file);
  }

  write(entry: Entry): void {
    this.#stream.write(`${JSON.stringify(entry)}\n`);
  }

  /** Records what the client tells from now on. */
  follow(sdk: CaasClient): void {
    const { client } = this;
    sdk.on('committed', (message) => this.write({ client, event: 'committed', ...seen(message) }));
    sdk.on('reset', ({ conversationId }) => this.write({ client, event: 'reset', conversation: conversationId }));
    sdk.on('failed', ({ conversationId, clientMsgId, error }) =>
      this.write({ client, event: 'failed', conversation: conversationId, clientMsgId, reason: error.reason }),
    );
  }

  /** Sends a message and records the try and its acceptance; rejects as the client does. */
  async send(sdk: CaasClient, conversation: string, clientMsgId: string, text: string): Promise<void> {
    const { client } = this;
    const ordinal = (this.#ordinals.get(conversation) ?? 0) + 1;
    this.#ordinals.set(conversation, ordinal);
    this.write({ client, event: 'sending', conversation, clientMsgId, ordinal, text });
    const { messageId } = await sdk.sendMessage(conversation, { text }, { clientMsgId });
    this.write({ client, event: 'accepted', conversation, clientMsgId, messageId });
  }

  /** Records a list as it is at the end. */
  list(
    view: View,
    messages: readonly Message[],
    conversation: string,
    head: { lastSeq: number; digest: string },
  ): void {
    const { client } = this;
    for (const message of messages) this.write({ client, event: 'held', view, ...seen(message) });
    this.write({ client, event: 'head', view, conversation, lastSeq: head.lastSeq, digest: head.digest });
  }

  close(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#stream.on('error', reject);
      this.#stream.end(resolve);
    });
  }
}

/** Reads what recorders wrote. */
export const readHistories = async (files: readonly string[]): Promise<Entry[]> => {
  const entries: Entry[] = [];
  for (const file of files) {
    for await (const line of createInterface({ input: createReadStream(file) }))
      entries.push(JSON.parse(line) as Entry);
  }
  return entries;
};
