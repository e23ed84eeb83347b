import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  allTopics,
  type EventLog,
  type LogRecord,
  openSqliteEventLog,
  type SqliteEventLog,
  type TopicName,
} from '@caas/event-log';
import { memoryKeyValue, memoryNodeInbox } from '@caas/key-value';
import { CaasError } from '@caas/kit';
import { createLogger } from '@caas/kit/log';
import { emptyDigest, type MessageStore, nextDigest, openSqliteMessageStore } from '@caas/message-store';
import { type NodeEntry, NodeEnvelope } from '@caas/proto/caas/events/v1/node_envelope';
import { createPersistence, type Persistence } from '../app.ts';

/** Called around each call of a store: `name` is role.verb, `args` are its arguments. */
export interface Hook {
  before?(name: string, args: readonly unknown[]): Promise<void> | void;
  after?(name: string, args: readonly unknown[]): Promise<void> | void;
}

const hookedObject = <T extends object>(target: T, prefix: string, hook: Hook): T =>
  new Proxy(target, {
    get: (object, property) => {
      const value = Reflect.get(object, property) as unknown;
      if (typeof value === 'object' && value !== null) return hookedObject(value, `${String(property)}.`, hook);
      if (typeof value !== 'function') return value;
      return async (...args: unknown[]) => {
        const name = `${prefix}${String(property)}`;
        await hook.before?.(name, args);
        const result = await (value as (...a: unknown[]) => Promise<unknown>).apply(object, args);
        await hook.after?.(name, args);
        return result;
      };
    },
  });

/** The same store with something that happens around its calls. */
export const hooked = (store: MessageStore, hook: Hook): MessageStore => hookedObject(store, '', hook);

export const unavailable = (): CaasError => new CaasError('UNAVAILABLE', 'not now');

/** Resolves when `condition` holds; fails after `deadlineMs`. */
export const until = async (condition: () => Promise<boolean> | boolean, deadlineMs = 10_000): Promise<void> => {
  const endMs = Date.now() + deadlineMs;
  while (!(await condition())) {
    if (Date.now() > endMs) throw new Error('the condition did not come to hold in time');
    await sleep(10);
  }
};

export const silent = createLogger({ service: 'persistence', level: 'silent' });
const config = { maxBatchRecords: 1_000, maxDocumentsPerStep: 2_000, maxCachedHeads: 1_000 };

/** A log and a store in a folder of their own, and as many workers as a test starts. */
export class Bench {
  readonly folder: string;
  readonly log: SqliteEventLog;
  readonly store: MessageStore;
  readonly keyValue = memoryKeyValue();
  readonly inbox = memoryNodeInbox();
  readonly #workers: (() => Promise<void>)[] = [];

  constructor(folder: string, log: SqliteEventLog, store: MessageStore) {
    this.folder = folder;
    this.log = log;
    this.store = store;
  }

  static async open({ stallMs }: { stallMs?: number } = {}): Promise<Bench> {
    const folder = await mkdtemp(join(tmpdir(), 'persistence-'));
    const log = await openSqliteEventLog({
      file: join(folder, 'log.db'),
      closeGraceMs: 200,
      onFault: () => undefined,
      ...(stallMs !== undefined && { stallMs }),
    });
    return new Bench(folder, log, await openSqliteMessageStore({ file: join(folder, 'messages.db') }));
  }

  /** Starts a worker; answers it and how to stop it. */
  start(
    over: { log?: EventLog; store?: MessageStore; config?: Partial<typeof config> } = {},
  ): Persistence & { stop(): Promise<void> } {
    const { log, store, keyValue, inbox } = this;
    const persistence = createPersistence({
      ...{ log, store, keyValue, inbox, logger: silent },
      ...over,
      config: { ...config, ...over.config },
    });
    const stopping = new AbortController();
    const running = persistence.run(stopping.signal);
    const stop = async (): Promise<void> => {
      stopping.abort();
      await running;
    };
    this.#workers.push(stop);
    return { ...persistence, stop };
  }

  /** Everything in a topic. */
  async read(topic: TopicName): Promise<LogRecord[]> {
    const partitions = allTopics.find((t) => t.name === topic)?.partitions ?? 1;
    const all = Array.from({ length: partitions }, (_, partition) => this.log.read(topic, partition, 0, 10_000));
    return (await Promise.all(all)).flat();
  }

  /** What a node is told from now on. */
  async listen(nodeId: string): Promise<NonNullable<NodeEntry['entry']>[]> {
    const entries: NonNullable<NodeEntry['entry']>[] = [];
    await this.inbox.listen(nodeId, (envelope) => {
      for (const { entry } of NodeEnvelope.decode(envelope).entries) if (entry) entries.push(entry);
    });
    return entries;
  }

  /** The committed messages of a conversation, after checking that they are whole: 1 … n, one digest, one count. */
  async checked(conversationId: string, tenantId = 't1'): Promise<string[]> {
    const key = { tenantId, conversationId };
    const [head] = await this.store.conversations.getMany([key]);
    if (!head) throw new Error(`no conversation ${conversationId}`);
    const ids: string[] = [];
    let digest = emptyDigest;
    while (ids.length < head.lastSeq) {
      const range = { fromSeq: ids.length + 1, toSeq: head.lastSeq, limit: 1_000, from: 'oldest' as const };
      const page = await this.store.messages.page(key, range);
      if (page.length === 0) throw new Error(`${conversationId} has no message ${ids.length + 1}`);
      for (const { seq, messageId, rev } of page) {
        if (seq !== ids.length + 1) throw new Error(`${conversationId} has ${seq} after ${ids.length}`);
        if (rev > head.headRev) throw new Error(`${conversationId}/${seq} is past the head`);
        ids.push(messageId);
        digest = nextDigest(digest, messageId);
      }
    }
    if (digest !== head.digest) throw new Error(`${conversationId} has another digest`);
    if (new Set(ids).size !== ids.length) throw new Error(`${conversationId} has a message twice`);
    const page = { afterUserId: '', limit: 1_000, activeOnly: true };
    const active = await this.store.participants.ofConversation(key, page);
    if (active.length !== head.memberCount)
      throw new Error(`${conversationId} counts ${head.memberCount} of ${active.length}`);
    return ids;
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((stop) => stop()));
    await this.log.close();
    await this.store.close();
    await this.keyValue.close();
    await this.inbox.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}
