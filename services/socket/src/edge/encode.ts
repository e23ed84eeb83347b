import { encodeMessage } from '@caas/kit/encode';
import type { Error as WireError } from '@caas/proto/caas/common/v1/errors';
import type { Head, Message } from '@caas/proto/caas/socket/v1/resources';
import { Message as MessageCodec } from '@caas/proto/caas/socket/v1/resources';
import { type Accepted, type Event, type Reply, ServerFrame } from '@caas/proto/caas/socket/v1/server_frames';

/**
 * An event in both encodings, each made at most once however many connections get it. The three frames of the message
 * path are written by hand in JSON (a third of the cost of the generated code; a test compares the two).
 */
export class EncodedEvent {
  readonly event: Event;
  /** Users who don't get it. */
  readonly unless: ReadonlySet<string> | undefined;
  #json: string | undefined;
  #proto: Uint8Array | undefined;

  constructor(event: Event, unless?: ReadonlySet<string>) {
    this.event = event;
    this.unless = unless;
  }

  get json(): string {
    this.#json ??= eventJson(this.event);
    return this.#json;
  }

  get proto(): Uint8Array {
    this.#proto ??= encodeMessage(ServerFrame, { id: '', body: { $case: 'event', value: this.event } });
    return this.#proto;
  }
}

const eventJson = (event: Event): string => {
  switch (event.event?.$case) {
    case 'message':
      return `{"event":{"message":${messageJson(event.event.value)}}}`;
    case 'head':
      return `{"event":{"head":${headJson(event.event.value)}}}`;
    default:
      return JSON.stringify(ServerFrame.toJSON({ id: '', body: { $case: 'event', value: event } }));
  }
};

/** Ids are of our own making (base64url, UUID) or checked to be printable; only free text needs escaping. */
const messageJson = (m: Message): string => {
  const content = m.content;
  if (
    m.deletedAtMs !== 0 ||
    m.editedAtMs !== 0 ||
    m.pinnedAtMs !== 0 ||
    m.reactions.length > 0 ||
    m.forwardedFrom !== undefined ||
    m.replyToMessageId !== '' ||
    m.threadRootId !== '' ||
    m.seq !== 0 ||
    m.unreadable ||
    content === undefined ||
    content.attachments.length > 0 ||
    content.mentions.length > 0 ||
    !isEmpty(content.metadata)
  ) {
    return JSON.stringify(MessageCodec.toJSON(m));
  }
  const text = content.text === '' ? '{}' : `{"text":${JSON.stringify(content.text)}}`;
  return `{"messageId":"${m.messageId}","conversationId":${JSON.stringify(m.conversationId)},"senderId":${JSON.stringify(m.senderId)},"clientMsgId":${JSON.stringify(m.clientMsgId)},"position":${m.position},"content":${text},"acceptedAtMs":${m.acceptedAtMs},"traceId":"${m.traceId}"}`;
};

const isEmpty = (map: object): boolean => {
  for (const _ in map) return false;
  return true;
};

const headJson = (h: Head): string =>
  `{"conversationId":${JSON.stringify(h.conversationId)}${h.prevHeadRev === 0 ? '' : `,"prevHeadRev":${h.prevHeadRev}`},"headRev":${h.headRev}${h.lastSeq === 0 ? '' : `,"lastSeq":${h.lastSeq}`}${h.lastPosition === 0 ? '' : `,"lastPosition":${h.lastPosition}`}${h.digest === '' ? '' : `,"digest":"${h.digest}"`}${h.decidedPosition === 0 ? '' : `,"decidedPosition":${h.decidedPosition}`}}`;

const acceptedJson = (id: string, a: Accepted): string =>
  `{"id":${JSON.stringify(id)},"reply":{"accepted":{"messageId":"${a.messageId}"${a.position === 0 ? '' : `,"position":${a.position}`},"traceId":"${a.traceId}","acceptedAtMs":${a.acceptedAtMs}}}}`;

/** Reply as a JSON text. */
export const replyJson = (id: string, reply: Reply): string =>
  reply.result?.$case === 'accepted'
    ? acceptedJson(id, reply.result.value)
    : JSON.stringify(ServerFrame.toJSON({ id, body: { $case: 'reply', value: reply } }));

export const replyProto = (id: string, reply: Reply): Uint8Array =>
  encodeMessage(ServerFrame, { id, body: { $case: 'reply', value: reply } });

export const errorJson = (id: string, error: WireError): string =>
  JSON.stringify(ServerFrame.toJSON({ id, body: { $case: 'error', value: error } }));

export const errorProto = (id: string, error: WireError): Uint8Array =>
  encodeMessage(ServerFrame, { id, body: { $case: 'error', value: error } });
