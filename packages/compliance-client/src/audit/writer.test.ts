import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EventLog, openSqliteEventLog, Topic } from '@caas/event-log';
import { CaasError } from '@caas/kit';
import { createLogger } from '@caas/kit/log';
import { until } from '@caas/kit/testing/until';
import { AuditEvent } from '@caas/proto/caas/events/v1/audit_event';
import { afterAll, afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  type AuditAct,
  type AuditWriter,
  type AuditWriterOptions,
  installationTenant,
  openAuditWriter,
} from './index.ts';
import { maxWaitingActs, slowLogMs } from './writer.ts';

const logger = createLogger({ service: 'test', level: 'silent' });
const base = await mkdtemp(join(tmpdir(), 'audit-writer-'));
afterAll(() => rm(base, { recursive: true, force: true }));

const deleted = (subjectId: string, over: Partial<AuditAct<'message.deleted'>> = {}): AuditAct<'message.deleted'> => ({
  tenantId: 't',
  action: 'message.deleted',
  actor: { kind: 'user', id: 'alice' },
  subjectId,
  ...over,
});
const created = (subjectId: string, over: Partial<AuditAct<'conversation.created'>> = {}) => ({
  ...deleted(subjectId),
  action: 'conversation.created' as const,
  ...over,
});
const done = (): Promise<string> => Promise.resolve('done');

let folder: string;
let log: EventLog;
let writer: AuditWriter | undefined;
/** How the log behaves to the writer: takes, refuses, or says nothing for ever. */
let mode: 'takes' | 'refuses' | 'silent';
const between: Pick<EventLog, 'append'> = {
  append: (records) => {
    if (mode === 'refuses') return Promise.reject(new CaasError('UNAVAILABLE', 'no brokers'));
    return mode === 'silent' ? new Promise(() => undefined) : log.append(records);
  },
};

beforeEach(async () => {
  folder = await mkdtemp(join(base, 'case-'));
  log = await openSqliteEventLog({ file: join(folder, 'log.db') });
  mode = 'takes';
});
afterEach(async () => {
  await writer?.close();
  writer = undefined;
  await log.close();
});

const spoolFolder = (): string => join(folder, 'audit');
const open = async (over: Partial<AuditWriterOptions> = {}): Promise<AuditWriter> => {
  writer = await openAuditWriter({ log: between, service: 'auth', folder: spoolFolder(), logger, ...over });
  return writer;
};
const logged = async (): Promise<AuditEvent[]> => {
  const events: AuditEvent[] = [];
  for (const partition of [0, 1, 2]) {
    const { next } = await log.bounds(Topic.auditLog, partition);
    const records = await log.read(Topic.auditLog, partition, 0, Math.max(next, 1));
    events.push(...records.map(({ value }) => AuditEvent.decode(value)));
  }
  return events;
};
const spooled = (): Promise<string[]> => readdir(spoolFolder()).catch(() => []);
describe('while the log takes events', () => {
  test('an act is in the log, whole, and nothing is on disk', async () => {
    const traceparent = `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-00`;
    const writer = await open();
    writer.record(
      created('room', {
        conversationId: 'room',
        traceparent,
        remoteAddress: '127.0.0.1',
        details: { kind: 'group', none: undefined },
      }),
    );
    await until('the acts are where they should be', async () => (await logged()).length === 1);
    expect((await logged())[0]).toMatchObject({
      eventId: expect.stringMatching(/^[\da-f-]{36}$/),
      tenantId: 't',
      service: 'auth',
      actorKind: 1,
      actorId: 'alice',
      action: 'conversation.created',
      subjectKind: 'conversation',
      subjectId: 'room',
      conversationId: 'room',
      outcome: 1,
      reason: '',
      traceId: 'ab'.repeat(16),
      remoteAddress: '127.0.0.1',
      details: { kind: 'group' },
    });
    const [record] = (await log.read(Topic.auditLog, 0, 0, 1)).concat(
      await log.read(Topic.auditLog, 1, 0, 1),
      await log.read(Topic.auditLog, 2, 0, 1),
    );
    expect(record).toMatchObject({ key: 't', headers: { 'tenant-id': 't', traceparent } });
    expect(await spooled()).toEqual([]);
  });

  test('an act that is audited first is in the log before it is done', async () => {
    const writer = await open();
    const before = await writer.first(deleted('m1'), async () => (await logged()).map((event) => event.subjectId));
    expect(before).toEqual(['m1']);
  });

  test('one that then fails has a second entry that says so', async () => {
    const writer = await open();
    const fault = new CaasError('UNAVAILABLE', 'no store');
    await expect(writer.first(deleted('m1'), () => Promise.reject(fault))).rejects.toBe(fault);
    await until('the acts are where they should be', async () => (await logged()).length === 2);
    expect((await logged()).map(({ outcome, reason }) => ({ outcome, reason }))).toEqual([
      { outcome: 1, reason: '' },
      { outcome: 3, reason: 'UNAVAILABLE' },
    ]);
  });

  test('what is too long is cut and what is no tenant is the installation’s: no act is lost for that', async () => {
    const writer = await open();
    writer.record(created('ü'.repeat(500), { tenantId: 'new\nline', details: { long: 'x'.repeat(5_000) } }));
    await until('the acts are where they should be', async () => (await logged()).length === 1);
    const [event] = await logged();
    expect(event?.tenantId).toBe(installationTenant);
    expect(Buffer.byteLength(event?.subjectId ?? '')).toBeLessThanOrEqual(128);
    expect(event?.subjectId).toMatch(/^ü+…$/);
    expect(event?.details['long']).toHaveLength(254);
  });
});

describe('while the log is away', () => {
  test('acts wait on disk, and reach it when it is back, each once and in order', async () => {
    const writer = await open();
    mode = 'refuses';
    for (let i = 0; i < 10; i += 1) expect(await writer.first(deleted(`m${i}`), done)).toBe('done');
    for (let i = 10; i < 20; i += 1) writer.record(created(`m${i}`));
    expect(await spooled()).not.toEqual([]);
    expect(await logged()).toEqual([]);
    mode = 'takes';
    await until('the acts are where they should be', async () => (await logged()).length === 20);
    expect((await logged()).map(({ subjectId }) => subjectId)).toEqual(Array.from({ length: 20 }, (_, i) => `m${i}`));
    await until('the acts are where they should be', async () => (await spooled()).length === 0);
    await until('the writer knows', () => writer.stats().spooledBytes === 0);
    expect(writer.stats()).toEqual({ lost: 0, spooledBytes: 0 });
    // And goes straight to the log again.
    await writer.first(deleted('later'), done);
    expect((await logged()).at(-1)?.subjectId).toBe('later');
  });

  test('an act is done within the time a silent log is waited for', async () => {
    const writer = await open();
    mode = 'silent';
    const startedAtMs = performance.now();
    expect(await writer.first(deleted('m1'), done)).toBe('done');
    expect(performance.now() - startedAtMs).toBeLessThan(slowLogMs + 1_000);
  });

  test('what a process left on disk reaches the log at the next start', async () => {
    const first = await open();
    mode = 'refuses';
    for (let i = 0; i < 3; i += 1) await first.first(deleted(`m${i}`), done);
    await first.close();
    expect(await spooled()).not.toEqual([]);
    mode = 'takes';
    // Another service's is not its business, nor what a process that lives has.
    const [name = ''] = await spooled();
    const content = await readFile(join(spoolFolder(), name));
    await writeFile(join(spoolFolder(), name.replace('auth', 'socket-1')), content);
    await writeFile(join(spoolFolder(), name.replace(`-${process.pid}-`, `-${process.ppid}-`)), content);
    await open();
    await until('the acts are where they should be', async () => (await logged()).length === 3);
    await until('the acts are where they should be', async () => (await spooled()).length === 2);
    expect((await logged()).map(({ subjectId }) => subjectId)).toEqual(['m0', 'm1', 'm2']);
  });

  test('a file that was torn in the middle of a write gives what is whole, and stays for an operator', async () => {
    const first = await open();
    mode = 'refuses';
    for (let i = 0; i < 3; i += 1) await first.first(deleted(`m${i}`), done);
    await first.close();
    const file = join(spoolFolder(), (await spooled()).toSorted().at(-1) as string);
    await truncate(file, (await readFile(file)).length - 5);
    mode = 'takes';
    await open();
    await until('the acts are where they should be', async () => (await logged()).length === 2);
    await until('the acts are where they should be', async () =>
      (await spooled()).some((name) => name.endsWith('.damaged')),
    );
    expect((await logged()).map(({ subjectId }) => subjectId)).toEqual(['m0', 'm1']);
  });
});

describe('when neither log nor disk takes anything', () => {
  test('what is audited first is refused and not done; what is noted is counted, and the log says so later', async () => {
    const writer = await open({ maxSpoolBytes: 400 });
    mode = 'refuses';
    let acts = 0;
    const act = (): Promise<void> => {
      acts += 1;
      return Promise.resolve();
    };
    await writer.first(deleted('m0'), act);
    await writer.first(deleted('m1'), act);
    const refused = await writer.first(deleted('x'.repeat(120)), act).catch((error: unknown) => error);
    expect(refused).toMatchObject({
      reason: 'UNAVAILABLE',
      retryable: true,
      details: { subject: 'audit log', limit: 'maxSpoolBytes' },
    });
    expect(acts).toBe(2);
    for (let i = 0; i < 3; i += 1) writer.record(created('y'.repeat(120)));
    await until('the acts are where they should be', () => writer.stats().lost === 3);
    mode = 'takes';
    await until('the acts are where they should be', async () => (await spooled()).length === 0);
    await writer.first(deleted('m2'), act);
    await until('the acts are where they should be', async () =>
      (await logged()).some(({ action }) => action === 'audit.lost'),
    );
    const lost = (await logged()).find(({ action }) => action === 'audit.lost');
    expect(lost).toMatchObject({ tenantId: 't', subjectId: 'auth', details: { count: '3' } });
  });

  test('no more acts wait in memory than the limit says, and nobody waits for ever', async () => {
    const writer = await open({ maxSpoolBytes: 0 });
    mode = 'refuses';
    for (let i = 0; i < maxWaitingActs + 50; i += 1) writer.record(created(`c${i}`));
    expect(writer.stats().lost).toBe(50);
    await expect(writer.first(deleted('m'), done)).rejects.toMatchObject({ details: { limit: 'maxWaitingActs' } });
    await until('the acts are where they should be', () => writer.stats().lost === maxWaitingActs + 50);
  });

  test('a closed writer refuses what is audited first', async () => {
    const writer = await open();
    await writer.close();
    await expect(writer.first(deleted('m'), done)).rejects.toMatchObject({ reason: 'UNAVAILABLE' });
  });
});
