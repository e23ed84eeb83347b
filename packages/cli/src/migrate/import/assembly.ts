import { createHash } from 'node:crypto';
import { isActive, nextDigest } from '@caas/message-store';
import { Role } from '@caas/proto/caas/events/v1/content';
import {
  ConversationDocument,
  type HiddenDocument,
  MessageDocument,
  ParticipantDocument,
} from '@caas/proto/caas/events/v1/documents';
import { importedPosition, type Pair, userIdFor } from '../names.ts';
import type { OldConversation, OldMessage, OldParticipant } from '../old/schema.ts';
import { conversationDocument, messageDocument, participantDocument } from './documents.ts';

/** An old conversation without its messages. */
export interface OldRoom {
  conversation: OldConversation;
  participants: readonly OldParticipant[];
}

/** Whose the documents are: the epoch they carry, and the revision of the head above which theirs begin. */
export interface Authorship {
  epoch: number;
  baseRev: number;
}

/** What makes the messages a conversation. */
export interface Assembled {
  conversation: ConversationDocument;
  participants: ParticipantDocument[];
  /** Over every document but for its author; the same as long as the old side is. */
  checksum: string;
}

interface Reader {
  document: ParticipantDocument;
  /** When the user read last; who never did has read nothing, whatever the clocks said. */
  readAtMs: number;
}

/**
 * Gives old messages, which come in their order, their places in CAAS. Depends on the old documents and the authorship
 * alone, so that a run that was killed and the one after it write the same.
 */
export class Assembly {
  lastCreatedAtMs = 0;
  /** Whom the messages name, by their old ids. */
  readonly users: Set<string>;
  readonly #pair: Pair;
  readonly #by: Authorship;
  readonly #conversation: ConversationDocument;
  /** By when they have read, earliest first; the first `#settled` have their read_seq. */
  readonly #readers: Reader[];
  #settled = 0;
  #revs = 0;
  readonly #hash = createHash('sha256');

  constructor(pair: Pair, conversationId: string, { conversation, participants }: OldRoom, by: Authorship) {
    this.#pair = pair;
    this.#by = by;
    this.#conversation = conversationDocument(pair, conversationId, conversation);
    const direct = conversation.type === 'direct';
    this.#readers = participants
      .map((participant) => ({
        document: participantDocument(pair, conversationId, participant, direct),
        readAtMs: participant.lastReadAt?.getTime() ?? Number.NEGATIVE_INFINITY,
      }))
      .sort((a, b) => a.readAtMs - b.readAtMs);
    this.users = new Set([conversation.createdBy, ...participants.map(({ userId }) => userId)]);
  }

  add(old: OldMessage): { message: MessageDocument; hidden: HiddenDocument[] } {
    const conversation = this.#conversation;
    this.#readBefore(old.createdAt.getTime());
    for (const user of usersIn(old)) this.users.add(user);
    conversation.lastSeq += 1;
    const seq = conversation.lastSeq;
    const draft = messageDocument(this.#pair, conversation.conversationId, old);
    conversation.digest = nextDigest(conversation.digest, draft.messageId);
    const { digest } = conversation;
    const place = { seq, position: importedPosition(seq), digest, rev: this.#nextRev(), epoch: this.#by.epoch };
    const message = { ...draft, ...place };
    conversation.lastPosition = message.position;
    conversation.lastMessage = { ...message, edits: [] };
    conversation.committedAtMs = message.acceptedAtMs;
    this.lastCreatedAtMs = message.acceptedAtMs;
    const { tenantId, conversationId, messageId } = message;
    const hidden = [...new Set(old.deletedFor ?? [])].map((user) => {
      const userId = userIdFor(this.#pair, user);
      this.#hash.update(`hidden ${userId} ${messageId}\n`);
      return { tenantId, conversationId, userId, messageId, seq, rev: this.#nextRev() };
    });
    this.#hash.update(MessageDocument.encode(this.#anonymous(message)).finish());
    return { message, hidden };
  }

  finish(): Assembled {
    this.#readBefore(Number.POSITIVE_INFINITY);
    const { epoch } = this.#by;
    const participants = this.#readers.map(({ document }) => ({ ...document, rev: this.#nextRev(), epoch }));
    for (const document of participants)
      this.#hash.update(ParticipantDocument.encode(this.#anonymous(document)).finish());
    const rev = this.#nextRev();
    const active = participants.filter(isActive);
    const conversation = {
      ...this.#conversation,
      memberCount: active.length,
      ownerCount: active.filter(({ role }) => role === Role.ROLE_OWNER).length,
      metaRev: rev,
      // Says that the conversation exists, even should it have no members.
      membersRev: rev,
      headRev: rev,
      epoch,
    };
    const own = { ...conversation, metaRev: 0, membersRev: 0, headRev: 0, epoch: 0, lastMessage: undefined };
    const checksum = this.#hash.update(ConversationDocument.encode(own).finish()).digest('hex');
    return { conversation, participants, checksum };
  }

  /** The next message is of that time: who read before it has read up to the one before. */
  #readBefore(timeMs: number): void {
    for (; this.#settled < this.#readers.length; this.#settled += 1) {
      const { document, readAtMs } = this.#readers[this.#settled] as Reader;
      if (readAtMs >= timeMs) return;
      document.readSeq = readAtMs === Number.NEGATIVE_INFINITY ? 0 : this.#conversation.lastSeq;
      document.deliveredSeq = document.readSeq;
    }
  }

  #anonymous<D extends { rev: number; epoch: number }>(document: D): D {
    return { ...document, rev: document.rev - this.#by.baseRev, epoch: 0 };
  }

  #nextRev(): number {
    this.#revs += 1;
    return this.#by.baseRev + this.#revs;
  }
}

const usersIn = (old: OldMessage): string[] => [
  old.senderId,
  ...(old.mentions ?? []),
  ...(old.forwardedFrom ? [old.forwardedFrom.senderId] : []),
  ...(old.deletedBy ? [old.deletedBy] : []),
  ...(old.deletedFor ?? []),
  ...(old.reactions ?? []).map(({ userId }) => userId),
  ...(old.pinnedBy ? [old.pinnedBy] : []),
];
