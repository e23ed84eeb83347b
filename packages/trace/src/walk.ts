import { type LogRecord, Topic, tenantHeader, topics } from '@caas/event-log';
import type { MessageStore } from '@caas/message-store';
import type { AuditEntry } from '@caas/proto/caas/compliance/v1/audit_service';
import type { MessageDocument } from '@caas/proto/caas/events/v1/documents';
import { MessageDelivered, MessageSent } from '@caas/proto/caas/events/v1/message_events';
import type { SearchIndex } from '@caas/search-index';
import { type Hop, inOrder } from './hop.ts';
import { hopsOfLines } from './log-lines.ts';
import { hopOfRecord, isOf, type Readable, recordsWhere } from './log-records.ts';

/** What the platform keeps, as far as it is at hand: what is absent has no hops. */
export interface TraceRecords {
  /** Log lines of services, JSON. */
  lines?(): Iterable<string> | AsyncIterable<string>;
  log?: Readable;
  store?: { messages: Pick<MessageStore['messages'], 'getMany'> };
  index?: Pick<SearchIndex, 'records'>;
  /** Entries of a tenant's audit log that are of a trace. */
  audit?(tenantId: string, traceId: string): Promise<readonly AuditEntry[]>;
}

/**
 * Every place a trace id has come by, in the order of time: what services logged, the log's records by their header, the
 * messages that were sent in it with what confirms their commit, the index, and the audit log of each tenant concerned.
 * `sinceMs`: when the trace began at the earliest, UTC milliseconds; the log is not read further back.
 */
export const walkTrace = async (records: TraceRecords, traceId: string, sinceMs: number): Promise<Hop[]> => {
  const { log, audit } = records;
  const lines = await hopsOfLines(records.lines?.() ?? [], traceId);
  const found = log
    ? (await Promise.all(topics.map(({ name }) => recordsWhere(log, name, sinceMs, isOf(traceId))))).flat()
    : [];
  const messages = await messagesSent(records, found, traceId, sinceMs);
  const tenants = [...new Set(found.flatMap(({ headers }) => headers[tenantHeader] ?? []))];
  const entries = audit ? (await Promise.all(tenants.map((tenantId) => audit(tenantId, traceId)))).flat() : [];
  return inOrder([...lines, ...found.map((each) => hopOfRecord(each)), ...messages, ...entries.flatMap(audited)]);
};

/** Documents of what was sent in the trace, what tells of their commit, and how the index has them. */
const messagesSent = async (
  { log, store, index }: TraceRecords,
  found: readonly LogRecord[],
  traceId: string,
  sinceMs: number,
): Promise<Hop[]> => {
  const keys = found.filter(({ topic }) => topic === Topic.messageSent).map(({ value }) => MessageSent.decode(value));
  if (!store || keys.length === 0) return [];
  const documents = (await store.messages.getMany(keys)).filter((each) => each?.traceId === traceId);
  const hops: Hop[] = [];
  for (const document of documents as MessageDocument[]) {
    const confirming = log && (await confirmationOf(log, document, sinceMs));
    const { seq, rev, content, acceptedAtMs } = document;
    const sealed = content?.body?.$case === 'sealed' ? 'sealed' : 'in the clear';
    const atMs = confirming?.appendedAtMs ?? acceptedAtMs;
    hops.push({ kind: 'document', where: 'store', what: `message #${seq}, revision ${rev}, ${sealed}`, atMs });
    if (confirming && !isOf(traceId)(confirming)) hops.push(hopOfRecord(confirming, `, of #${seq} among others`));
  }
  const indexed = (await index?.records(documents as MessageDocument[])) ?? [];
  for (const [i, record] of indexed.entries())
    if (record?.traceId === traceId) {
      const what = `message #${documents[i]?.seq}, version ${record.version}${record.found ? '' : ', not to be found'}`;
      hops.push({ kind: 'indexed', where: 'index', what, atMs: record.indexedAtMs });
    }
  return hops;
};

/** The record that tells of a message's commit; a batch has one, of the trace of its last message. */
const confirmationOf = async (log: Readable, { tenantId, conversationId, seq }: MessageDocument, sinceMs: number) => {
  const confirms = ({ key, headers, value }: LogRecord): boolean => {
    if (key !== conversationId || headers[tenantHeader] !== tenantId) return false;
    const { notice } = MessageDelivered.decode(value);
    return notice?.$case === 'persisted' && notice.value.firstSeq <= seq && seq <= notice.value.lastSeq;
  };
  return (await recordsWhere(log, Topic.messageDelivered, sinceMs, confirms)).at(-1);
};

const audited = ({ index, event, loggedAtMs }: AuditEntry): Hop[] =>
  event
    ? [
        {
          kind: 'audited',
          where: 'audit log',
          what: `${event.action} by ${event.service}, entry ${index} of its tenant`,
          atMs: event.atMs,
          tookMs: Math.max(0, loggedAtMs - event.atMs),
        },
      ]
    : [];
