import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EventLog, openSqliteEventLog, recordOf, Topic } from '@caas/event-log';
import { newTraceparent, traceIdOf } from '@caas/kit';
import { encodeMessage } from '@caas/kit/encode';
import { type MessageStore, openSqliteMessageStore } from '@caas/message-store';
import { AuditEntry } from '@caas/proto/caas/compliance/v1/audit_service';
import { MessageDocument } from '@caas/proto/caas/events/v1/documents';
import { MessageDelivered, MessageSent } from '@caas/proto/caas/events/v1/message_events';
import { openSqliteSearchIndex, type SearchIndex } from '@caas/search-index';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Hop, hopLines, walkTrace } from './index.ts';

let folder: string;
let log: EventLog;
let store: MessageStore;
let index: SearchIndex;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trace-'));
  [log, store, index] = await Promise.all([
    openSqliteEventLog({ file: join(folder, 'log.db') }),
    openSqliteMessageStore({ file: join(folder, 'messages.db') }),
    openSqliteSearchIndex({ file: join(folder, 'search.db') }),
  ]);
});
afterAll(async () => {
  await Promise.all([log.close(), store.close(), index.close()]);
  await rm(folder, { recursive: true, force: true });
});

const place = { tenantId: 't', conversationId: 'c' };

/** A message as nodes, workers and the search service leave it behind; `confirmedBy`: trace of what tells of its commit. */
const leave = async (messageId: string, seq: number, traceparent: string, confirmedBy: string): Promise<void> => {
  const traceId = traceIdOf(traceparent);
  const sent = encodeMessage(MessageSent, MessageSent.fromPartial({ ...place, messageId, senderId: 'u' }));
  const value = { headRev: seq, firstSeq: seq, lastSeq: seq, digest: '' };
  const notice = { $case: 'persisted' as const, value };
  const delivered = encodeMessage(MessageDelivered, MessageDelivered.fromPartial({ ...place, notice }));
  await log.append([
    recordOf(Topic.messageSent, 'MessageSent', 't', 'c', sent, traceparent),
    recordOf(Topic.messageDelivered, 'MessageDelivered', 't', 'c', delivered, confirmedBy),
  ]);
  await store.messages.write([
    MessageDocument.fromPartial({ ...place, messageId, senderId: 'u', seq, rev: seq, traceId }),
  ]);
  const document = { ...place, messageId, senderId: 'u', seq, version: seq, acceptedAtMs: Date.now(), traceId };
  await index.apply({ documents: [{ ...document, hasAttachment: false, content: { text: 'hello', names: [] } }] });
};

const placesOf = (hops: readonly Hop[]): string[] =>
  hops.map(({ kind, where }) => `${kind} ${where.replace(/-\d+$/, '')}`);

test('a trace is found in lines, log, store, index and audit log of its tenant, in the order of time, and others are not', async () => {
  const [wanted, other] = [newTraceparent(), newTraceparent()];
  const traceId = traceIdOf(wanted);
  const beganAtMs = Date.now();
  await leave('m1', 1, wanted, other);
  await leave('m2', 2, other, other);
  const time = (ms: number): string => new Date(beganAtMs + ms).toISOString();
  const lines = [
    JSON.stringify({
      level: 'debug',
      time: time(-5),
      service: 'gateway',
      trace_id: traceId,
      elapsed_ms: 2,
      msg: 'request',
      status: 200,
    }),
    JSON.stringify({
      time: time(60_000),
      service: 'persistence',
      trace_ids: [traceIdOf(other), traceId],
      msg: 'batch committed',
    }),
    JSON.stringify({ time: time(1), service: 'auth', trace_id: traceIdOf(other), msg: 'call served' }),
    JSON.stringify({ time: time(1), service: 'auth', trace_id: traceIdOf(other), msg: `of ${traceId}` }),
    `cut off ${traceId}`,
  ];
  const asked: string[] = [];
  const audit = async (tenantId: string) => {
    asked.push(tenantId);
    const event = { action: 'token.issued', service: 'auth', atMs: beganAtMs - 6, traceId };
    return [AuditEntry.fromPartial({ tenantId, index: 3, loggedAtMs: beganAtMs, event })];
  };
  const hops = await walkTrace({ lines: () => lines, log, store, index, audit }, traceId, beganAtMs);
  expect(placesOf(hops)).toEqual([
    'line gateway',
    'audited audit log',
    'record log message.sent',
    // The notice is of the trace of another message, and tells of this one's commit all the same.
    'record log message.delivered',
    'document store',
    'indexed index',
    'line persistence',
  ]);
  expect(hops[0]).toMatchObject({ atMs: beganAtMs - 7, tookMs: 2, what: 'request 200' });
  expect(asked).toEqual(['t']);
  expect(hopLines(hops)).toHaveLength(hops.length + 1);
});

test('what is older than the trace is not looked at, and what is not at hand has no hops', async () => {
  const traceparent = newTraceparent();
  await leave('m3', 3, traceparent, traceparent);
  const traceId = traceIdOf(traceparent);
  expect(await walkTrace({ log }, traceId, Date.now() + 1_000)).toEqual([]);
  expect(placesOf(await walkTrace({ log }, traceId, 0))).toEqual([
    'record log message.sent',
    'record log message.delivered',
  ]);
  expect(await walkTrace({}, traceId, 0)).toEqual([]);
});
