import { type EventLog, type LogRecord, putAside, type ShardHandler, Topic, topics } from '@caas/event-log';
import { type Clock, chunksOf, isPassing, type Logger, type Runnable, toCaasError } from '@caas/kit';
import type { AuditEvent } from '@caas/proto/caas/events/v1/audit_event';
import { maxBatchRecords, maxFailingMs, maxTreesAtOnce } from '../limits.ts';
import { decode } from './decode.ts';
import type { Trees } from './trees.ts';

/** Name of the consumer group. */
export const auditGroup = 'compliance-audit';

export interface AuditConsumerParts {
  log: EventLog;
  trees: Pick<Trees, 'append'>;
  /** Told of each tenant whose tree has grown. */
  grown(tenantId: string): void;
  clock: Clock;
  logger: Logger;
}

interface OfTenant {
  events: AuditEvent[];
  sources: LogRecord[];
}

/**
 * Brings audit.log into the tenants' trees. A tenant's records are in one partition, so one instance has them; when two do
 * after all, the store keeps them apart. What can't be an entry goes to the dead letters, and the rest goes on.
 */
export class AuditConsumer implements Runnable, ShardHandler {
  readonly name = 'audit consumer';
  readonly #parts: AuditConsumerParts;
  #failingSinceMs: number | undefined;

  constructor(parts: AuditConsumerParts) {
    this.#parts = parts;
  }

  /** False while what the log brings has not come into the trees for long. */
  get ready(): boolean {
    return this.#failingSinceMs === undefined || this.#parts.clock.now() - this.#failingSinceMs < maxFailingMs;
  }

  async run(signal: AbortSignal): Promise<void> {
    const shards = topics.find(({ name }) => name === Topic.auditLog)?.partitions as number;
    const subscription = this.#parts.log.subscribe(
      { group: auditGroup, topics: [Topic.auditLog], shards, maxBatchRecords, from: 'earliest' },
      this,
    );
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    await subscription.close();
  }

  assigned(): Promise<void> {
    return Promise.resolve();
  }

  revoked(): Promise<void> {
    return Promise.resolve();
  }

  async batch(_: number, records: readonly LogRecord[], signal: AbortSignal): Promise<void> {
    try {
      await this.#apply(records, signal);
      this.#failingSinceMs = undefined;
    } catch (fault) {
      if (!signal.aborted) this.#failingSinceMs ??= this.#parts.clock.now();
      throw fault;
    }
  }

  async #apply(records: readonly LogRecord[], signal: AbortSignal): Promise<void> {
    const byTenant = new Map<string, OfTenant>();
    for (const decoded of records.map(decode)) {
      if (decoded.kind === 'poison') {
        await this.#putAside([decoded.source], decoded.reason);
        continue;
      }
      const { event, source } = decoded;
      const tenant = byTenant.get(event.tenantId) ?? { events: [], sources: [] };
      byTenant.set(event.tenantId, tenant);
      tenant.events.push(event);
      tenant.sources.push(source);
    }
    for (const tenants of chunksOf([...byTenant], maxTreesAtOnce)) {
      signal.throwIfAborted();
      await Promise.all(tenants.map(([tenantId, ofTenant]) => this.#append(tenantId, ofTenant)));
    }
  }

  async #append(tenantId: string, { events, sources }: OfTenant): Promise<void> {
    try {
      if ((await this.#parts.trees.append(tenantId, events)) > 0) this.#parts.grown(tenantId);
    } catch (fault) {
      // An engine that is away comes back, and so do the records. One it can't be brought to take must not stop the others.
      if (isPassing(fault)) throw fault;
      if (events.length === 1) return this.#putAside(sources, `the store refuses it: ${toCaasError(fault).reason}`);
      for (const [i, event] of events.entries())
        await this.#append(tenantId, { events: [event], sources: sources.slice(i, i + 1) });
    }
  }

  async #putAside(sources: readonly LogRecord[], reason: string): Promise<void> {
    const { log, logger } = this.#parts;
    const [first] = sources;
    logger.error(
      { topic: first?.topic, partition: first?.partition, offset: first?.offset, records: sources.length, reason },
      'audit records put aside',
    );
    await putAside(
      log,
      sources.map((source) => ({ source, kind: 'poison', reason })),
    );
  }
}
