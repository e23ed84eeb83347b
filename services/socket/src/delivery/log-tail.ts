import { type EventLog, type LogRecord, type Subscription, Topic, usersNamedIn } from '@caas/event-log';
import { CaasError, type Logger, reasonOf, toWireError } from '@caas/kit';
import { created, type MessageStore } from '@caas/message-store';
import { ConversationUpdated } from '@caas/proto/caas/events/v1/conversation_events';
import { MessageRejected } from '@caas/proto/caas/events/v1/message_events';
import type { CommitWatch } from './commit-watch.ts';
import type { LocalDirectory } from './local-directory.ts';
import type { RecentSends } from './recent-sends.ts';

/** How long a membership seen in the log is awaited in the store, ms; the worker may be away that long. */
const membershipWaitMs = 300_000;
/** Rejections remembered, so that one told by both ways reaches its sender once. */
const maxToldRejections = 1_000;

/**
 * What a node reads from the log itself, so that neither a membership nor a rejection depends on an envelope: changes
 * of members who are connected here, and rejections of messages their users sent.
 */
export class LogTail {
  readonly #log: EventLog;
  readonly #store: MessageStore;
  readonly #directory: LocalDirectory;
  readonly #commits: CommitWatch;
  readonly #logger: Logger;
  readonly #recentSends: RecentSends;
  readonly #told = new Set<string>();
  #subscription: Subscription | undefined;

  constructor(
    log: EventLog,
    store: MessageStore,
    directory: LocalDirectory,
    commits: CommitWatch,
    recentSends: RecentSends,
    logger: Logger,
  ) {
    this.#recentSends = recentSends;
    this.#log = log;
    this.#store = store;
    this.#directory = directory;
    this.#commits = commits;
    this.#logger = logger;
  }

  /** Records wait and it hears none: what others change of members is learned by envelopes and with the next command only. */
  get stalled(): boolean {
    return this.#subscription?.stalled() ?? false;
  }

  start(): void {
    this.#subscription = this.#log.tail([Topic.conversationUpdated, Topic.messageRejected], (records) => {
      for (const record of records) this.#read(record);
    });
  }

  async stop(): Promise<void> {
    await this.#subscription?.close();
  }

  rejected(event: MessageRejected): void {
    this.#recentSends.forget(event.messageId, event.position);
    const name = `${event.messageId}:${event.position}`;
    if (this.#told.has(name)) return;
    this.#told.add(name);
    if (this.#told.size > maxToldRejections) this.#told.delete(this.#told.values().next().value as string);
    const error = toWireError(
      new CaasError(reasonOf(event.reason), 'the message was rejected after acceptance'),
      event.traceId,
    );
    const { conversationId, messageId, clientMsgId, position } = event;
    for (const connection of this.#directory.user(event.tenantId, event.senderId)?.connections ?? []) {
      connection.event({
        event: { $case: 'rejected', value: { conversationId, messageId, clientMsgId, position, error } },
      });
    }
  }

  #read(record: LogRecord): void {
    try {
      if (record.topic === Topic.messageRejected) this.#rejection(MessageRejected.decode(record.value));
      else this.#membership(ConversationUpdated.decode(record.value), record);
    } catch (error) {
      this.#logger.warn(
        { err: error, topic: record.topic, partition: record.partition, offset: record.offset },
        'unreadable record skipped',
      );
    }
  }

  /** What was never accepted nobody has taken for sent. */
  #rejection(event: MessageRejected): void {
    if (event.position > 0) this.rejected(event);
  }

  #membership(event: ConversationUpdated, record: LogRecord): void {
    const { tenantId, conversationId } = event;
    const affected = usersNamedIn(event);
    for (const userId of affected) this.#directory.membershipChanges(tenantId, userId, conversationId);
    const local = affected.filter((userId) => this.#directory.user(tenantId, userId));
    if (local.length === 0) return;
    this.#commits
      .committed({ tenantId, conversationId }, record.topic, record, membershipWaitMs)
      .then(async () => {
        // The head first: what the participations hold past it may not be committed.
        const [head] = await this.#store.conversations.getMany([{ tenantId, conversationId }]);
        if (!created(head)) return;
        const keys = local.map((userId) => ({ tenantId, conversationId, userId }));
        for (const doc of await this.#store.participants.getMany(keys))
          if (doc) this.#directory.applyParticipant(doc, head.headRev);
      })
      .catch((error: unknown) =>
        this.#logger.warn({ err: error }, 'a membership could not be read; the next command will'),
      );
  }
}
