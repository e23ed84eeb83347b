import { partitionName } from '@caas/event-log';
import { created, isActive } from '@caas/message-store';
import { Role } from '@caas/proto/caas/events/v1/content';
import type {
  ConversationDocument,
  HiddenDocument,
  MessageDocument,
  ParticipantDocument,
} from '@caas/proto/caas/events/v1/documents';
import { isOwner, membershipPositionOf, rewound } from './membership-documents.ts';
import type { Base, EventRecord, Outcome, Rejection } from './model.ts';
import { emptyConversation } from './new-documents.ts';
import { committedPin, pinChanged, pinRewound } from './pin-documents.ts';

/** A participant while a batch is applied; as committed, without what an attempt wrote that never committed. */
export interface Member {
  document: ParticipantDocument;
  /** Whether member_count counts the user. */
  counted: boolean;
}

/**
 * One conversation while a batch is applied to it. Documents that are changed get a revision of their own.
 *
 * The store may hold changes of attempts that never committed (a crash between the steps, a worker that had lost its
 * shard): such documents are *unsettled*. Their events come again, and whatever event concerns an unsettled document
 * stamps it anew even where it changes nothing, because its old revision may be one that readers have passed.
 */
export class Draft {
  readonly epoch: number;
  readonly conversation: ConversationDocument;
  readonly rejections: Rejection[] = [];
  readonly affectedUsers = new Set<string>();
  readonly #base: Base;
  readonly #baseHeadRev: number;
  readonly #baseOffsets: Readonly<Record<string, number>>;
  readonly #baseLastSeq: number;
  readonly #membershipPosition: number;
  readonly #messages = new Map<string, MessageDocument>();
  readonly #members = new Map<string, Member>();
  readonly #stamped = new Set<string>();
  readonly #hidden = new Map<string, HiddenDocument>();
  readonly #applied: Record<string, number> = {};
  #record: EventRecord | undefined;

  constructor(base: Base, epoch: number) {
    this.epoch = epoch;
    this.#base = base;
    const head = base.conversation ?? emptyConversation(base.tenantId, base.conversationId);
    this.conversation = { ...head, offsets: { ...head.offsets }, ownerCount: head.ownerCount ?? base.ownerCount };
    this.#baseHeadRev = head.headRev;
    this.#baseOffsets = head.offsets;
    this.#baseLastSeq = head.lastSeq;
    this.#membershipPosition = membershipPositionOf(head);
  }

  get exists(): boolean {
    return created(this.conversation);
  }

  nextRev(): number {
    this.conversation.headRev += 1;
    return this.conversation.headRev;
  }

  /** A record is about to be applied. */
  begin(record: EventRecord): void {
    this.#record = record;
  }

  /** A record was seen; its effect, if any, is in the draft. */
  advance(record: EventRecord): void {
    const key = partitionName(record.topic, record.partition);
    this.conversation.offsets[key] = record.offset;
    this.#applied[key] = record.offset;
  }

  /** A committed message, or one of this batch. Documents past the head are left-overs and count as absent. */
  message(messageId: string): MessageDocument | undefined {
    const draft = this.#messages.get(messageId);
    if (draft) return draft;
    const stored = this.#stored(messageId);
    return stored && pinRewound(stored, this.#baseOffsets);
  }

  putMessage(document: MessageDocument): void {
    this.#messages.set(document.messageId, { ...this.#pinCounted(document), rev: this.nextRev(), epoch: this.epoch });
  }

  /** Changes a message, if it exists; `change` answers undefined when there is nothing to change. */
  changeMessage(messageId: string, change: (document: MessageDocument) => MessageDocument | undefined): void {
    const document = this.message(messageId);
    if (!document) return;
    const changed = change(document);
    if (changed) this.putMessage(changed);
    else if (!this.#messages.has(messageId) && !this.#isSettled(document)) this.putMessage(document);
  }

  /** Pinned messages. */
  get pinCount(): number {
    const { pinCount } = this.conversation;
    if (pinCount === undefined) throw new TypeError('the pins were not counted');
    return pinCount;
  }

  member(userId: string): Member | undefined {
    const known = this.#members.get(userId);
    if (known) return known;
    const stored = this.#base.participants.get(userId);
    if (!stored) return undefined;
    const document = this.#rewound(stored);
    const member = { document, counted: isActive(document) };
    this.#members.set(userId, member);
    return member;
  }

  /** Every participant that was loaded or came in this batch. */
  members(): Member[] {
    for (const userId of this.#base.participants.keys()) this.member(userId);
    return [...this.#members.values()];
  }

  /** Changes what is a participant's own (receipts, mute). */
  changeMember(userId: string, change: (document: ParticipantDocument) => ParticipantDocument | undefined): void {
    const member = this.member(userId);
    if (!member?.counted) return;
    const changed = change(member.document);
    if (changed) this.#stamp(member, changed);
    else this.touch(member);
  }

  /** Stamps an unsettled document anew, as it is. */
  touch(member: Member): void {
    if (!this.#stamped.has(member.document.userId) && !this.#isSettled(member.document))
      this.#stamp(member, member.document);
  }

  /** Members who are owners. */
  get ownerCount(): number {
    const { ownerCount } = this.conversation;
    if (ownerCount === undefined) throw new TypeError('the owners were not counted');
    return ownerCount;
  }

  /** Sets who is in and in which role, as of the record at `position`, and keeps member_count and owner_count exact. */
  setMembership(document: ParticipantDocument, position: number): void {
    const { userId } = document;
    const member = this.member(userId) ?? { document, counted: false };
    this.#members.set(userId, member);
    // What held before this batch: the answer should this batch be written and never committed.
    const stored = this.#base.participants.get(userId);
    const before = stored && this.#rewound(stored);
    const wasActive = before !== undefined && isActive(before);
    const wasRole = before?.role ?? Role.ROLE_MEMBER;
    const wasJoinedAtMs = before?.joinedAtMs ?? 0;
    const owned = member.counted && isOwner(member.document);
    this.#stamp(member, { ...document, wasActive, wasRole, wasJoinedAtMs, membershipPosition: position });
    const active = isActive(document);
    if (active !== member.counted) {
      this.conversation.memberCount += active ? 1 : -1;
      member.counted = active;
      this.affectedUsers.add(userId);
    }
    this.conversation.ownerCount = this.ownerCount + Number(active && isOwner(document)) - Number(owned);
    this.conversation.membersRev = member.document.rev;
  }

  hide(document: Omit<HiddenDocument, 'rev'>): void {
    this.#hidden.set(`${document.messageId} ${document.userId}`, { ...document, rev: this.nextRev() });
  }

  outcome(nowMs: number): Outcome {
    const { conversation } = this;
    const messages = [...this.#messages.values()];
    const fresh = messages.filter((m) => m.seq > this.#baseLastSeq);
    if (
      conversation.lastSeq - this.#baseLastSeq !== fresh.length ||
      conversation.memberCount < 0 ||
      (conversation.ownerCount ?? 0) < 0 ||
      (conversation.pinCount ?? 0) < 0
    )
      throw new TypeError('a batch broke the count of messages, members, owners or pins');
    const last = messages.find((m) => m.seq === conversation.lastSeq);
    // Without the history of edits, which belongs to the message itself: a head is written with every batch.
    if (last) conversation.lastMessage = last.edits.length === 0 ? last : { ...last, edits: [] };
    conversation.epoch = this.epoch;
    conversation.committedAtMs = nowMs;
    const participants = [...this.#stamped].map((userId) => (this.#members.get(userId) as Member).document);
    const hidden = [...this.#hidden.values()];
    return {
      base: this.#base.conversation,
      conversation: this.exists ? conversation : undefined,
      messages,
      participants,
      hidden,
      rejections: this.rejections,
      changes: [
        ...(conversation.metaRev > this.#baseHeadRev
          ? [
              {
                document: {
                  $case: 'conversation' as const,
                  value: { ...conversation, lastMessage: undefined, offsets: {} },
                },
              },
            ]
          : []),
        ...participants.map((value) => ({ document: { $case: 'participant' as const, value } })),
        ...messages
          .filter((m) => m.seq <= this.#baseLastSeq)
          .map((value) => ({ document: { $case: 'message' as const, value } })),
        ...hidden.map((value) => ({ document: { $case: 'hidden' as const, value } })),
      ],
      firstSeq: fresh.length === 0 ? 0 : this.#baseLastSeq + 1,
      applied: this.#applied,
      affectedUsers: [...this.affectedUsers],
    };
  }

  #stored(messageId: string): MessageDocument | undefined {
    const stored = this.#base.messages.get(messageId);
    return stored !== undefined && stored.seq <= this.#baseLastSeq ? stored : undefined;
  }

  /**
   * Keeps pin_count exact, and says in the document what it was before this batch, should the batch never commit. A tombstone
   * that an attempt left makes room with the first record that concerns it: topics are interleaved by chance.
   */
  #pinCounted(document: MessageDocument): MessageDocument {
    const { conversation } = this;
    const committed = committedPin(this.#stored(document.messageId), this.#baseOffsets);
    const counted = (this.#messages.get(document.messageId) ?? committed).pinnedAtMs > 0;
    const pinned = document.pinnedAtMs > 0;
    if (conversation.pinCount === undefined || pinned === counted) return document;
    conversation.pinCount += pinned ? 1 : -1;
    return pinChanged(document, this.#record as EventRecord, committed);
  }

  #stamp(member: Member, document: ParticipantDocument): void {
    member.document = { ...document, rev: this.nextRev(), epoch: this.epoch };
    this.#stamped.add(document.userId);
  }

  /** Within an epoch every write that did not commit is followed by a new epoch; so this epoch's documents are settled. */
  #isSettled(document: { rev: number; epoch: number }): boolean {
    return document.epoch === this.epoch && document.rev <= this.#baseHeadRev;
  }

  #rewound(document: ParticipantDocument): ParticipantDocument {
    return rewound(document, this.#membershipPosition);
  }
}
