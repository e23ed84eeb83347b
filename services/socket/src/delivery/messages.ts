import { type EventLog, type LogPosition, positionOf, recordOf, Topic } from '@caas/event-log';
import type { KeyValue, LivingNodes } from '@caas/key-value';
import type { Clock } from '@caas/kit';
import { type CaasError, type Logger, traceIdOf } from '@caas/kit';
import { encodeMessage } from '@caas/kit/encode';
import { MessageSent } from '@caas/proto/caas/events/v1/message_events';
import type { MessageDelivery } from '@caas/proto/caas/events/v1/node_envelope';
import { acceptedMessage } from '../model/views.ts';
import type { SealedForSend } from './contents.ts';
import type { LocalConversation } from './local.ts';
import type { LocalDirectory } from './local-directory.ts';
import { LogWriter, type PendingRecord } from './log-writer.ts';
import type { NodeLink } from './node-link.ts';
import { withPlainContent, withSealedContent } from './sent-bytes.ts';
import type { Turn } from './turn.ts';

interface PendingMessage extends PendingRecord {
  readonly sent: MessageSent;
  /** What other nodes are told where that is not what the log is. */
  readonly told: Uint8Array | undefined;
  /** Key of the nodes that want it. */
  readonly interestKey: string;
  readonly traceparent: string;
  /** False: it may be in the log already; members get it by head and sync, if it is new. */
  readonly deliver: boolean;
  position: number;
}

const isMessage = (entry: PendingRecord): entry is PendingMessage => 'sent' in entry;

/** An append the log refused counts against the node for this long, ms, unless it takes another one before. */
const refusalCountsMs = 10_000;

export interface MessagesOptions {
  nodeId: string;
  maxPending: number;
}

/**
 * The fast path: what the log has accepted goes at once to the members on this node, and in one envelope a turn to each
 * node that has others. Which nodes those are is asked while the log writes.
 */
export class Messages {
  readonly writer: LogWriter;
  readonly #keyValue: KeyValue;
  readonly #directory: LocalDirectory;
  readonly #turn: Turn;
  readonly #link: NodeLink;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #nodeId: string;
  readonly #living: LivingNodes;
  /** When the log refused what it answered last; 0: it took it. */
  #refusedAtMs = 0;
  readonly #interests = new WeakMap<readonly PendingRecord[], Promise<Map<string, string[]>>>();

  constructor(
    log: EventLog,
    keyValue: KeyValue,
    living: LivingNodes,
    directory: LocalDirectory,
    turn: Turn,
    link: NodeLink,
    clock: Clock,
    logger: Logger,
    options: MessagesOptions,
  ) {
    this.#keyValue = keyValue;
    this.#directory = directory;
    this.#turn = turn;
    this.#link = link;
    this.#clock = clock;
    this.#logger = logger;
    this.#nodeId = options.nodeId;
    this.#living = living;
    this.writer = new LogWriter(log, logger, {
      maxPending: options.maxPending,
      onFlush: (turn) => this.#interests.set(turn, this.#nodesOf(turn)),
      onAppended: (entries, turn) => {
        this.#refusedAtMs = 0;
        void this.#forward(entries, turn);
      },
      onRefused: () => {
        this.#refusedAtMs = this.#clock.now();
      },
    });
  }

  /** False for a while after the log has refused an append. */
  get logAccepts(): boolean {
    return this.#refusedAtMs === 0 || this.#clock.now() - this.#refusedAtMs > refusalCountsMs;
  }

  /**
   * Hands a message to the log; `accepted` gets its position, and where it is to be delivered its members on this node get it in
   * the same turn. `sealed` is what it says where the log is not to hold that in the clear.
   */
  send(
    conversation: LocalConversation,
    sent: MessageSent,
    sealed: SealedForSend | undefined,
    { traceparent, deliver }: { traceparent: string; deliver: boolean },
    accepted: (position: number) => void,
    refused: (error: CaasError) => void,
  ): void {
    const base = encodeMessage(MessageSent, sealed ? { ...sent, content: undefined } : sent);
    const entry: PendingMessage = {
      record: recordOf(
        Topic.messageSent,
        'MessageSent',
        sent.tenantId,
        sent.conversationId,
        sealed ? withSealedContent(base, sealed.sealed) : base,
        traceparent,
      ),
      sent,
      told: sealed && withPlainContent(base, sealed.plain),
      interestKey: conversation.interestKey,
      traceparent,
      deliver,
      position: 0,
      accepted: ({ offset }: LogPosition) => {
        entry.position = positionOf(offset);
        accepted(entry.position);
        if (deliver) this.#deliver(sent, entry.position, traceparent);
        else conversation.lastActiveMs = this.#clock.now();
      },
      refused,
    };
    this.writer.submit(entry);
  }

  /** A message another node accepted. */
  delivered(delivery: MessageDelivery): void {
    try {
      this.#deliver(MessageSent.decode(delivery.messageSent), delivery.position, delivery.traceparent);
    } catch (error) {
      this.#logger.error({ err: error }, 'unreadable delivery dropped');
    }
  }

  #deliver(sent: MessageSent, position: number, traceparent: string): void {
    const conversation = this.#directory.conversation(sent.tenantId, sent.conversationId);
    if (!conversation) return;
    conversation.lastActiveMs = this.#clock.now();
    this.#turn.publish(
      conversation,
      { event: { $case: 'message', value: acceptedMessage(sent, position, traceIdOf(traceparent)) } },
      notYetIn(conversation, position),
    );
  }

  /** Nodes interested in the conversations of the messages, by key; empty where the store does not answer. */
  async #nodesOf(entries: readonly PendingRecord[]): Promise<Map<string, string[]>> {
    const keys = new Set<string>();
    for (const entry of entries) if (isMessage(entry) && entry.deliver) keys.add(entry.interestKey);
    if (keys.size === 0) return new Map();
    const list = [...keys];
    try {
      const nodes = await this.#keyValue.membersOf(list);
      const others = (members: readonly string[]): string[] =>
        this.#living.nodesOf(members).filter((node) => node !== this.#nodeId);
      return new Map(list.map((key, i) => [key, others(nodes[i] ?? [])]));
    } catch (error) {
      this.#logger.warn({ err: error }, 'other nodes are not known; they will find out by their heads');
      return new Map();
    }
  }

  async #forward(entries: readonly PendingRecord[], turn: readonly PendingRecord[]): Promise<void> {
    const interests = await this.#interests.get(turn);
    if (!interests || interests.size === 0) return;
    for (const entry of entries) {
      if (!isMessage(entry) || !entry.deliver) continue;
      const nodes = interests.get(entry.interestKey);
      if (!nodes || nodes.length === 0) continue;
      const value = entry.told ?? entry.record.value;
      const delivery: MessageDelivery = {
        position: entry.position,
        messageSent: value as Buffer,
        traceparent: entry.traceparent,
      };
      for (const node of nodes)
        this.#link.send(node, { entry: { $case: 'delivery', value: delivery } }, value.length + 80);
    }
  }
}

/** Members here who joined after what was sent at a position, without the history it is in; undefined: nobody. */
const notYetIn = (conversation: LocalConversation, position: number): ReadonlySet<string> | undefined => {
  if (position >= conversation.latestJoinPosition) return undefined;
  const users = new Set<string>();
  for (const [userId, member] of conversation.members) if (member.visibleFromPosition > position) users.add(userId);
  return users.size > 0 ? users : undefined;
};
