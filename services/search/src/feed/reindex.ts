import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '@caas/kit';
import { type ConversationKey, created, type MessageStore } from '@caas/message-store';
import type { SearchIndex } from '@caas/search-index';
import { conversationsPerPage } from '../limits.ts';
import type { ConversationFeed } from './conversation-feed.ts';

export interface ReindexParts {
  store: MessageStore;
  index: SearchIndex;
  feed: ConversationFeed;
  logger: Logger;
}

/** A tenant whose index is written anew. */
export interface Job {
  readonly tenantId: string;
  messages: number;
  state: 'running' | 'done' | 'failed';
}

/** Mark of the tenants under way, each with the conversation it has come to. */
const mark = 'reindex';
type Kept = Record<string, ConversationKey | null>;
const retryMs = 1_000;
/** Attempts at a conversation, so that an engine that is away for a while does not end the work. */
const maxAttempts = 60;

/** Writes indexes of tenants anew from the store while searches go on, and goes on with what was under way at the start. */
export class Reindexer {
  readonly #parts: ReindexParts;
  readonly #jobs = new Map<string, Job>();
  readonly #stopping = new AbortController();
  readonly #running = new Set<Promise<void>>();
  #writing: Promise<void> = Promise.resolve();
  #kept: Kept | undefined;

  constructor(parts: ReindexParts) {
    this.#parts = parts;
  }

  get tenants(): string[] {
    return [...this.#jobs.values()].flatMap(({ tenantId, state }) => (state === 'running' ? [tenantId] : []));
  }

  /** Begins, or answers the job that is under way. */
  async start(tenantId: string): Promise<Job> {
    const running = this.#jobs.get(tenantId);
    if (running?.state === 'running') return running;
    const job: Job = { tenantId, messages: 0, state: 'running' };
    this.#jobs.set(tenantId, job);
    await this.#keep(tenantId, (await this.#load())[tenantId] ?? null);
    this.#follow(job);
    return job;
  }

  async run(signal: AbortSignal): Promise<void> {
    for (let kept: Kept | undefined; !kept && !signal.aborted; ) {
      kept = await this.#load().catch(() => undefined);
      if (!kept) await sleep(retryMs, undefined, { signal }).catch(() => undefined);
      for (const tenantId of Object.keys(kept ?? {}))
        if (!this.#jobs.has(tenantId)) await this.start(tenantId).catch(() => undefined);
    }
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    this.#stopping.abort();
    await Promise.all(this.#running);
  }

  async #load(): Promise<Kept> {
    if (!this.#kept) {
      const [kept] = await this.#parts.index.marks([mark]);
      this.#kept ??= kept === undefined ? {} : (JSON.parse(kept) as Kept);
    }
    return this.#kept;
  }

  /** Where a tenant's stands; undefined: it is done. One after the other: they share a mark. */
  #keep(tenantId: string, after: ConversationKey | null | undefined): Promise<void> {
    const write = async (): Promise<void> => {
      const kept = await this.#load();
      if (after === undefined) delete kept[tenantId];
      else kept[tenantId] = after;
      await this.#parts.index.apply({ documents: [], marks: { [mark]: JSON.stringify(kept) } });
    };
    this.#writing = this.#writing.then(write, write);
    return this.#writing;
  }

  #follow(job: Job): void {
    const running = this.#rewrite(job).then(
      () => {
        job.state = 'done';
        this.#parts.logger.info({ tenantId: job.tenantId, messages: job.messages }, 'the index is written anew');
      },
      (err: unknown) => {
        job.state = 'failed';
        if (!this.#stopping.signal.aborted) this.#parts.logger.error({ err, tenantId: job.tenantId }, 'reindex failed');
      },
    );
    this.#running.add(running);
    void running.finally(() => this.#running.delete(running));
  }

  async #rewrite(job: Job): Promise<void> {
    const { store, feed } = this.#parts;
    const { signal } = this.#stopping;
    const { tenantId } = job;
    let after = (await this.#load())[tenantId] ?? undefined;
    for (;;) {
      const heads = await this.#patiently(() => store.conversations.list(after, conversationsPerPage, tenantId));
      for (const head of heads) {
        signal.throwIfAborted();
        if (!created(head)) continue;
        await this.#patiently(() => feed.rewrite(head, signal));
        job.messages += head.lastSeq;
        after = { tenantId, conversationId: head.conversationId };
      }
      const last = heads.length < conversationsPerPage;
      await this.#patiently(() => this.#keep(tenantId, last ? undefined : after));
      if (last) return;
    }
  }

  async #patiently<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++)
      try {
        return await work();
      } catch (error) {
        if (attempt === maxAttempts || this.#stopping.signal.aborted) throw error;
        await sleep(retryMs, undefined, { signal: this.#stopping.signal });
      }
  }
}
