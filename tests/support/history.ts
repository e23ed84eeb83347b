import { createReadStream, createWriteStream, type WriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { CaasClient, Message } from '@caas/client';

/** Which promise the histories break. */
export type Broken =
  /** Accepted and not there. */
  | 'lost'
  /** There twice. */
  | 'duplicated'
  /** Lists of one conversation differ, or are not in the order of the log. */
  | 'order'
  /** A seq left out. */
  | 'gap'
  /** Of another conversation, or seen by somebody who is not a member. */
  | 'foreign'
  /** Never sent, or not what was sent. */
  | 'content'
  /** One sender's messages not in the order they were sent in. */
  | 'sender-order'
  /** The digest is not that of the list. */
  | 'digest'
  /** A send that was tried had two ids, or was refused. */
  | 'send'
  /** An accepted edit, deletion, reaction or receipt that did not come about, or one that nobody asked for. */
  | 'act'
  /** Somebody got in, or got something, who must not. */
  | 'leaked'
  /** Nothing is known to be broken: lists could not be read in the end, so what they would show was not judged. */
  | 'unjudged';

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

/** What a user does to a message or of itself, beside sending. */
export type Act =
  | { kind: 'edit'; messageId: string; text: string }
  | { kind: 'delete'; messageId: string }
  | { kind: 'react'; messageId: string; reaction: string; present: boolean }
  | { kind: 'read'; seq: number };

/** One line of what a client did and saw; `client` is its user, `atMs` when it was written down, UTC milliseconds. */
export type Entry = { client: string; atMs?: number } & (
  | { event: 'member'; conversation: string }
  /** `ordinal` counts what the client sent to the conversation. */
  | { event: 'sending'; conversation: string; clientMsgId: string; ordinal: number; text: string }
  | { event: 'accepted'; conversation: string; clientMsgId: string; messageId: string }
  /**
   * Other words under the id of an accepted send were accepted, as a node may that could not look the first up; it must be
   * told of their rejection.
   */
  | { event: 'conflicting'; conversation: string; clientMsgId: string }
  /** A send that a content policy may reject. */
  | { event: 'banned'; conversation: string; clientMsgId: string }
  | { event: 'failed'; conversation: string; clientMsgId: string; reason: string }
  /** `unknown`: no answer; it may have happened, or happen yet. */
  | { event: 'act'; conversation: string; act: Act; outcome: 'accepted' | 'refused' | 'unknown' }
  /** A promise was seen broken while it ran. */
  | { event: 'wrong'; broken: Broken; what: string }
  /** The lists that are missing from here on could not be read in the end, for this reason. */
  | { event: 'unjudged'; what: string }
  /** Somebody who must not come in was refused. */
  | { event: 'turned-away'; what: string }
  /** Its list of the conversation begins anew. */
  | { event: 'reset'; conversation: string }
  /** Told live that the message has its seq. */
  | ({ event: 'committed' } & SeenMessage)
  /** In the list at the end; `view` says in which: the one kept in step, what history answers, or the store's documents. */
  | ({ event: 'held'; view: View; reactions?: readonly string[] } & SeenMessage)
  /** What the list at the end claims to be. */
  | { event: 'head'; view: View; conversation: string; lastSeq: number; digest: string }
  /** How far a user has read, as the store has it. */
  | { event: 'read'; conversation: string; seq: number }
);
export type View = 'live' | 'history' | 'store';

const seen = (message: Message): SeenMessage => ({
  conversation: message.conversationId,
  seq: message.seq,
  position: message.position,
  messageId: message.messageId,
  sender: message.senderId,
  clientMsgId: message.clientMsgId,
  text: message.content?.text ?? '',
});

/** `kind user` of each reaction, sorted. */
export const reactionsOf = (reactions: readonly { kind: string; userIds: readonly string[] }[]): string[] =>
  reactions.flatMap(({ kind, userIds }) => userIds.map((userId) => `${kind} ${userId}`)).sort();

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
    this.#stream.write(`${JSON.stringify({ atMs: Date.now(), ...entry })}\n`);
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
    for (const message of messages)
      this.write({ client, event: 'held', view, ...seen(message), reactions: reactionsOf(message.reactions) });
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
