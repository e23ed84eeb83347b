import { encodeMessage } from '@caas/kit/encode';
import type { ConversationDocument } from '@caas/proto/caas/events/v1/documents';
import type { MessageRejected } from '@caas/proto/caas/events/v1/message_events';
import { type DocumentChange, type HeadNotice, NodeEntry } from '@caas/proto/caas/events/v1/node_envelope';

/** Greatest size of the changes inside a notice, in bytes; larger ones are left out and read from the store. */
export const maxNoticeChangesBytes = 64 * 1024;
/** Greatest number of changes inside a notice; keeps what is encoded in vain small. */
export const maxNoticeChanges = 200;
/** Greatest size of an envelope, in bytes; what is more goes into the next. */
export const maxEnvelopeBytes = 1024 * 1024;

export interface Notice {
  conversation: ConversationDocument;
  /** 0 when it is told again and what changed is not known any more. */
  prevHeadRev: number;
  applied: Record<string, number>;
  changes: readonly DocumentChange[];
  /** True when not all that changed is in `changes`. */
  incomplete: boolean;
}

/** A head notice as one encoded entry of an envelope. */
export const encodeNotice = (notice: Notice): Uint8Array => {
  const { conversation, prevHeadRev, applied } = notice;
  const encode = (changes: readonly DocumentChange[], changesOmitted: boolean): Uint8Array => {
    const value: HeadNotice = {
      tenantId: conversation.tenantId,
      conversationId: conversation.conversationId,
      prevHeadRev,
      headRev: conversation.headRev,
      lastSeq: conversation.lastSeq,
      lastPosition: conversation.lastPosition,
      digest: conversation.digest,
      applied,
      changes: changes as DocumentChange[],
      changesOmitted,
    };
    return encodeMessage(NodeEntry, { entry: { $case: 'head', value } });
  };
  if (notice.incomplete || notice.changes.length > maxNoticeChanges) return encode([], true);
  const whole = encode(notice.changes, false);
  return whole.byteLength > maxNoticeChangesBytes ? encode([], true) : whole;
};

export const encodeRejected = (rejected: MessageRejected): Uint8Array =>
  encodeMessage(NodeEntry, { entry: { $case: 'rejected', value: rejected } });

const entryTag = 0x0a;

const varint = (value: number): number[] => (value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)]);

/**
 * Envelopes of encoded entries, in order: `NodeEnvelope.entries` is field 1, so an envelope is its entries with tag and
 * length before each. An entry is encoded once, whatever the number of nodes it goes to.
 */
export const envelopesOf = (entries: readonly Uint8Array[]): Uint8Array[] => {
  const envelopes: Uint8Array[] = [];
  let parts: Uint8Array[] = [];
  let size = 0;
  for (const entry of entries) {
    const head = Uint8Array.from([entryTag, ...varint(entry.byteLength)]);
    const length = head.byteLength + entry.byteLength;
    if (size > 0 && size + length > maxEnvelopeBytes) {
      envelopes.push(Buffer.concat(parts));
      parts = [];
      size = 0;
    }
    parts.push(head, entry);
    size += length;
  }
  if (size > 0) envelopes.push(Buffer.concat(parts));
  return envelopes;
};
