import { isPartitionOf, Topic } from '@caas/event-log';
import { CaasError, type Clock, type Logger } from '@caas/kit';
import { created, type MessageStore } from '@caas/message-store';
import { ConversationKind } from '@caas/proto/caas/events/v1/content';
import type { ConversationDocument, MessageDocument, ParticipantDocument } from '@caas/proto/caas/events/v1/documents';
import type { DocumentChange, HeadNotice } from '@caas/proto/caas/events/v1/node_envelope';
import type { Head } from '@caas/proto/caas/socket/v1/resources';
import type { NodeBounds } from '../limits.ts';
import { decidedPositionOf } from '../model/decided.ts';
import { conversationView, headView, messageView, participantView, pastLast } from '../model/views.ts';
import { pause } from '../pause.ts';
import type { CommitWatch } from './commit-watch.ts';
import type { Contents } from './contents.ts';
import type { LocalConversation } from './local.ts';
import type { LocalDirectory } from './local-directory.ts';
import type { Turn } from './turn.ts';

/** A conversation counts as active this long after its last message or head, ms. */
const activeMs = 60_000;
const conversationsPerCall = 500;
const participantsPerCall = 500;
/** Notices of a conversation that may wait until one before them can be read; more are dropped, as lost ones are. */
const maxWaitingNotices = 200;
/**
 * Members on this node up to which others are told how far each has read. Past it every message would cost as many receipts
 * as there are members, each told to all of them.
 */
export const maxMembersToldReceipts = 1_000;

/**
 * The sure path: tells members where their conversations stand. Notices of the persistence workers do it at once; what
 * they miss is found by comparing heads with the store.
 */
export class Heads {
  readonly #store: MessageStore;
  readonly #directory: LocalDirectory;
  readonly #turn: Turn;
  readonly #commits: CommitWatch;
  readonly #contents: Contents;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #bounds: Readonly<NodeBounds>;
  #checkAll = false;
  #storeAnswers = true;
  #repairs = 0;
  /** Notices that wait, in order, for the keys of the first. */
  readonly #waiting = new Map<LocalConversation, HeadNotice[]>();

  constructor(
    store: MessageStore,
    directory: LocalDirectory,
    turn: Turn,
    commits: CommitWatch,
    contents: Contents,
    bounds: Readonly<NodeBounds>,
    clock: Clock,
    logger: Logger,
  ) {
    this.#store = store;
    this.#directory = directory;
    this.#turn = turn;
    this.#commits = commits;
    this.#contents = contents;
    this.#bounds = bounds;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Heads found to have moved without a notice. */
  get repairs(): number {
    return this.#repairs;
  }

  /** False after a check, or a command, that could not read the store, until a check has. */
  get storeAnswers(): boolean {
    return this.#storeAnswers;
  }

  storeFailed(): void {
    this.#storeAnswers = false;
  }

  /** Compare all conversations at the next check: notices may have been lost. */
  suspectAll(): void {
    this.#checkAll = true;
  }

  noticed(notice: HeadNotice): void {
    this.#commits.applied(notice.tenantId, notice.conversationId, notice.applied);
    const conversation = this.#directory.conversation(notice.tenantId, notice.conversationId);
    if (conversation) this.#inOrder(conversation, notice);
    else this.#taken(undefined, notice, []);
  }

  /** Changed messages are told before the head that tells of them: where a key is not here yet, that waits for it. */
  #inOrder(conversation: LocalConversation, notice: HeadNotice): void {
    const waiting = this.#waiting.get(conversation);
    if (waiting) {
      if (waiting.length < maxWaitingNotices) waiting.push(notice);
      return;
    }
    const kept = messagesIn(notice);
    const read = this.#contents.readNow(kept);
    if (read) this.#taken(conversation, notice, read);
    else void this.#takenLater(conversation, notice, kept);
  }

  async #takenLater(
    conversation: LocalConversation,
    notice: HeadNotice,
    kept: readonly MessageDocument[],
  ): Promise<void> {
    const waiting: HeadNotice[] = [];
    this.#waiting.set(conversation, waiting);
    const read = await this.#contents.read(kept).catch((error: unknown) => {
      this.#logger.debug({ err: error }, 'changed messages can’t be read; members find them by their head');
      return undefined;
    });
    this.#waiting.delete(conversation);
    // Members may have left meanwhile, and come again.
    const current = this.#directory.conversation(notice.tenantId, notice.conversationId);
    this.#taken(current, read ? notice : { ...notice, changesOmitted: true }, read ?? []);
    for (const next of waiting) {
      if (current) this.#inOrder(current, next);
      else this.#taken(undefined, next, []);
    }
  }

  /** `read` are the notice's messages as members may read them. */
  #taken(conversation: LocalConversation | undefined, notice: HeadNotice, read: readonly MessageDocument[]): void {
    if (conversation && conversation.headRev !== 0 && notice.headRev <= conversation.headRev) {
      if (notice.headRev === conversation.headRev) this.#decided(conversation, headOf(notice, 0));
      return;
    }
    // Participants first: they may attach or detach users of this node, also where it did not know the conversation.
    for (const change of notice.changes)
      if (change.document?.$case === 'participant')
        this.#directory.applyParticipant(change.document.value, notice.headRev);
    if (!conversation) return;
    for (const message of read) this.#publishMessage(conversation, message, notice.headRev);
    for (const change of notice.changes) this.#publishChange(conversation, change, notice);
    const contiguous =
      !notice.changesOmitted && (conversation.headRev === 0 || notice.prevHeadRev === conversation.headRev);
    if (!contiguous) {
      conversation.membersStale++;
      void this.#refresh(conversation);
    } else if (conversation.membersStale === 0) conversation.membersRev = notice.headRev;
    this.#publishHead(conversation, headOf(notice, notice.changesOmitted ? 0 : notice.prevHeadRev));
  }

  async run(signal: AbortSignal): Promise<void> {
    let allCheckedAtMs = this.#clock.now();
    while (!signal.aborted) {
      await pause(this.#bounds.headCheckMs, signal);
      if (signal.aborted) return;
      const now = this.#clock.now();
      const all = this.#checkAll || now - allCheckedAtMs >= this.#bounds.idleHeadCheckMs;
      // Before it begins: what is suspected while it runs is for the next one.
      if (all) this.#checkAll = false;
      try {
        await this.#check(all, now);
        if (all) allCheckedAtMs = now;
        this.#storeAnswers = true;
      } catch (error) {
        if (all) this.#checkAll = true;
        // One that has too much to do answers.
        this.#storeAnswers = error instanceof CaasError && error.reason === 'OVERLOADED';
        // Compared again at the next check; the store's absence is told to whoever asks it for something.
        this.#logger.debug({ err: error }, 'heads could not be compared');
      }
    }
  }

  async #check(all: boolean, now: number): Promise<void> {
    let chunk: LocalConversation[] = [];
    for (const conversation of [...this.#directory.conversations()]) {
      if (conversation.fresh) {
        conversation.fresh = false;
        conversation.lastActiveMs = now;
      }
      const doubtful = conversation.suspectRev !== 0 || conversation.membersStale > 0;
      if (!all && !doubtful && now - conversation.lastActiveMs > activeMs) continue;
      chunk.push(conversation);
      if (chunk.length === conversationsPerCall) {
        await this.#compare(chunk);
        chunk = [];
      }
    }
    if (chunk.length > 0) await this.#compare(chunk);
  }

  async #compare(conversations: LocalConversation[]): Promise<void> {
    const documents = await this.#store.conversations.getMany(conversations);
    for (const [i, doc] of documents.entries()) {
      const conversation = conversations[i] as LocalConversation;
      if (!created(doc)) continue;
      if (conversation.membersStale > 0) await this.#refresh(conversation);
      if (doc.headRev <= conversation.headRev) {
        conversation.suspectRev = 0;
        if (doc.headRev === conversation.headRev) this.#decided(conversation, headView(doc));
      } else if (conversation.suspectRev !== 0 && conversation.headRev < conversation.suspectRev) {
        await this.#repair(conversation, doc);
      } else {
        conversation.suspectRev = doc.headRev;
      }
    }
  }

  async #repair(conversation: LocalConversation, doc: ConversationDocument): Promise<void> {
    this.#repairs++;
    conversation.suspectRev = 0;
    await this.#refreshMembers(conversation, doc);
    this.#directory.applyConversation(doc);
    this.#commits.applied(doc.tenantId, doc.conversationId, doc.offsets);
    // A notice may have come while the members were read.
    if (doc.headRev > conversation.headRev) this.#publishHead(conversation, headView(doc));
  }

  /**
   * Reads anew what a lost notice may have changed for the node itself. Notices that come meanwhile don't end the doubt:
   * only a reading that was not overtaken by another loss does, and one that fails is made again by the next check.
   */
  async #refresh(conversation: LocalConversation): Promise<void> {
    if (conversation.refreshing) return;
    conversation.refreshing = true;
    try {
      while (conversation.membersStale > 0) {
        const losses = conversation.membersStale;
        const [doc] = await this.#store.conversations.getMany([conversation]);
        if (!created(doc)) return;
        await this.#refreshMembers(conversation, doc);
        this.#directory.applyConversation(doc);
        if (conversation.membersStale === losses) conversation.membersStale = 0;
      }
    } catch (error) {
      this.#logger.debug({ err: error }, 'conversation could not be read anew');
    } finally {
      conversation.refreshing = false;
    }
  }

  async #refreshMembers(conversation: LocalConversation, doc: ConversationDocument): Promise<void> {
    if (doc.membersRev <= conversation.membersRev) return;
    let after = conversation.membersRev;
    for (;;) {
      const page = await this.#store.participants.changedSince(conversation, after, participantsPerCall);
      for (const participant of page) this.#directory.applyParticipant(participant, doc.headRev);
      if (page.length < participantsPerCall) break;
      after = (page.at(-1) as ParticipantDocument).rev;
    }
    conversation.membersRev = Math.max(conversation.membersRev, doc.headRev);
  }

  #publishMessage(conversation: LocalConversation, message: MessageDocument, headRev: number): void {
    this.#turn.publish(
      conversation,
      { event: { $case: 'messageChanged', value: messageView(message, headRev) } },
      notReading(conversation, message.seq),
    );
  }

  #publishChange(conversation: LocalConversation, change: DocumentChange, { headRev, applied }: HeadNotice): void {
    switch (change.document?.$case) {
      case 'participant':
        if (concernsOthers(conversation, applied)) {
          // The user's own connections have been told already, with what is for them alone.
          this.#turn.publish(
            conversation,
            { event: { $case: 'participantChanged', value: participantView(change.document.value, headRev, '') } },
            new Set([change.document.value.userId]),
          );
        }
        break;
      case 'conversation':
        this.#directory.applyConversation(change.document.value);
        this.#turn.publish(conversation, {
          event: { $case: 'conversationChanged', value: conversationView(change.document.value) },
        });
        break;
      case 'hidden': {
        const { tenantId, userId, conversationId, messageId } = change.document.value;
        for (const connection of this.#directory.user(tenantId, userId)?.connections ?? []) {
          connection.event({ event: { $case: 'messageHidden', value: { conversationId, messageId } } });
        }
        break;
      }
      default:
    }
  }

  /** A commit that moved no head may have decided sends: what members hold of them is to go. */
  #decided(conversation: LocalConversation, head: Head): void {
    if (head.decidedPosition > conversation.decidedPosition) this.#publishHead(conversation, head);
  }

  #publishHead(conversation: LocalConversation, head: Head): void {
    conversation.headRev = head.headRev;
    conversation.decidedPosition = Math.max(conversation.decidedPosition, head.lastPosition, head.decidedPosition);
    conversation.suspectRev = 0;
    conversation.lastActiveMs = this.#clock.now();
    this.#turn.publish(conversation, { event: { $case: 'head', value: head } });
  }
}

const messagesIn = ({ changes }: HeadNotice): MessageDocument[] =>
  changes.flatMap(({ document }) => (document?.$case === 'message' ? [document.value] : []));

const headOf = (notice: HeadNotice, prevHeadRev: number): Head => {
  const { conversationId, headRev, lastSeq, lastPosition, digest, applied } = notice;
  const decidedPosition = pastLast(lastPosition, decidedPositionOf(lastPosition, applied));
  return { conversationId, prevHeadRev, headRev, lastSeq, lastPosition, digest, decidedPosition };
};

/**
 * In channels and among many, comings, goings and roles are told to all; how far each of many readers has read is not. A
 * commit without a change of the conversation has receipts and mutes alone.
 */
const concernsOthers = (conversation: LocalConversation, applied: Readonly<Record<string, number>>): boolean =>
  (conversation.rules?.kind !== ConversationKind.CONVERSATION_KIND_CHANNEL &&
    conversation.members.size <= maxMembersToldReceipts) ||
  Object.keys(applied).some((partition) => isPartitionOf(Topic.conversationUpdated, partition));

/** Members here who joined without the history the message is in; undefined when all may read it. */
const notReading = (conversation: LocalConversation, seq: number): ReadonlySet<string> | undefined => {
  const users = new Set<string>();
  for (const [userId, member] of conversation.members) if (member.visibleFromSeq > seq) users.add(userId);
  return users.size > 0 ? users : undefined;
};
