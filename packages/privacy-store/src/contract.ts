/** What every adapter of the privacy store has to do. */
import { randomBytes } from 'node:crypto';
import { JobKind, JobState } from '@caas/proto/caas/compliance/v1/privacy_service';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type HoldRecord, type JobRecord, maxHolds, maxPrivacyPerCall, type PrivacyStore } from './port.ts';

export interface PrivacyStoreUnderTest {
  store: PrivacyStore;
  /** Closes the store and opens the same data again. */
  reopen(): Promise<PrivacyStore>;
}

let epochMs = 1_700_000_000_000;
let counter = 0;
/** A name no other test uses, so that all tests can share one store. */
const fresh = (kind: string): string => `${kind}-${++counter}-${randomBytes(4).toString('hex')}`;

const aJob = (over: Partial<JobRecord> = {}): Omit<JobRecord, 'rev'> => ({
  tenantId: 't1',
  jobId: fresh('job'),
  kind: JobKind.JOB_KIND_ERASURE,
  userId: 'alice',
  state: JobState.JOB_STATE_QUEUED,
  step: '',
  doneUnits: 0,
  totalUnits: 0,
  startedBy: 'operator',
  createdAtMs: epochMs,
  endedAtMs: 0,
  reason: '',
  traceId: '',
  dryRun: false,
  wouldGo: 0,
  heldBack: 0,
  destroying: false,
  memo: '{}',
  dueAtMs: 0,
  ...over,
});

const aHold = (over: Partial<HoldRecord> = {}): HoldRecord => ({
  tenantId: 't1',
  holdId: fresh('hold'),
  userId: 'alice',
  conversationId: '',
  reason: 'case 1',
  putBy: 'operator',
  putAtMs: epochMs,
  ...over,
});

const aRule = (tenantId: string, conversationId: string, keepMs = 1_000) => ({
  tenantId,
  conversationId,
  keepMs,
  putBy: 'operator',
  putAtMs: epochMs,
});

export const privacyStoreContract = (name: string, open: () => Promise<PrivacyStoreUnderTest>): void => {
  describe(`privacy store on ${name}`, () => {
    let under: PrivacyStoreUnderTest;
    let store: PrivacyStore;
    beforeAll(async () => {
      under = await open();
      store = under.store;
    });
    afterAll(() => store.close());

    test('keeps a job once, and gives it back after it was opened anew', async () => {
      const certificate = { text: '{"a":"é"}', signature: 'c2ln', keyId: 'k' };
      const job = aJob({ certificate, memo: '{"$a.b":1}' });
      expect((await Promise.all([1, 2, 3].map(() => store.jobs.create(job)))).toSorted()).toEqual([false, false, true]);
      store = await under.reopen();
      expect(await store.jobs.get('t1', job.jobId)).toEqual({ ...job, rev: 1 });
      expect(await store.jobs.get('t2', job.jobId)).toBeUndefined();
    });

    test('of those who replace a job one does, and it is its successor', async () => {
      const job = aJob();
      await store.jobs.create(job);
      const steps = ['a', 'b', 'c'].map((step) => store.jobs.replace({ ...job, rev: 1, step }));
      expect((await Promise.all(steps)).filter(Boolean)).toHaveLength(1);
      expect((await store.jobs.get('t1', job.jobId))?.rev).toBe(2);
      expect(await store.jobs.replace({ ...aJob(), rev: 1 })).toBe(false);
    });

    test('lists a tenant’s jobs newest first, page by page', async () => {
      const tenantId = fresh('t');
      const jobs = [1, 2, 2, 3].map((ms) => aJob({ tenantId, createdAtMs: epochMs + ms }));
      for (const job of [...jobs, aJob()]) await store.jobs.create(job);
      const first = await store.jobs.list(tenantId, undefined, 2);
      const rest = await store.jobs.list(tenantId, first.at(-1), 9);
      expect([...first, ...rest].map(({ createdAtMs }) => createdAtMs - epochMs)).toEqual([3, 2, 2, 1]);
      expect(new Set([...first, ...rest].map(({ jobId }) => jobId)).size).toBe(4);
      await expect(store.jobs.list(tenantId, undefined, maxPrivacyPerCall + 1)).rejects.toMatchObject({
        reason: 'INVALID_ARGUMENT',
      });
    });

    test('tells what is due, first first, and what has begun to destroy and not ended', async () => {
      epochMs -= 1_000_000;
      const tenantId = fresh('t');
      const [late, soon, never] = [3, 2, 0].map((ms) =>
        aJob({ tenantId, destroying: true, dueAtMs: ms && epochMs - 10 + ms }),
      ) as [JobRecord, JobRecord, JobRecord];
      const waits = aJob({ tenantId, dueAtMs: epochMs - 9 });
      for (const job of [late, soon, never, waits]) await store.jobs.create(job);
      const due = await store.jobs.due(epochMs - 8, 9);
      expect(due.map(({ jobId }) => jobId)).toEqual([waits.jobId, soon.jobId]);
      expect((await store.jobs.due(epochMs - 7, 1)).map(({ jobId }) => jobId)).toEqual([waits.jobId]);
      const inOrder = [late.jobId, soon.jobId].toSorted();
      const destroying = await store.jobs.destroying(tenantId, '', 9);
      expect(destroying.map(({ jobId }) => jobId)).toEqual(inOrder);
      const [first] = await store.jobs.destroying(tenantId, '', 1);
      const rest = await store.jobs.destroying(tenantId, first?.jobId ?? '', 9);
      expect([first, ...rest].map((job) => job?.jobId)).toEqual(inOrder);
      expect(await store.jobs.replace({ ...late, rev: 1, dueAtMs: 0 })).toBe(true);
      expect((await store.jobs.destroying(tenantId, '', 9)).map(({ jobId }) => jobId)).toEqual([soon.jobId]);
    });

    test('keeps holds by id, changes and releases them, up to a number', async () => {
      const tenantId = fresh('t');
      const [a, b] = ['a', 'b'].map((holdId) => aHold({ tenantId, holdId })) as [HoldRecord, HoldRecord];
      expect([await store.holds.put(b), await store.holds.put(a)]).toEqual([true, true]);
      const changed = { ...a, reason: 'case 2', userId: '', conversationId: 'c' };
      await store.holds.put(changed);
      expect(await store.holds.list(tenantId)).toEqual([changed, b]);
      expect(await store.holds.list(fresh('t'))).toEqual([]);
      for (let i = 2; i < maxHolds; i += 1) await store.holds.put(aHold({ tenantId, holdId: `x${i}` }));
      expect(await store.holds.put(aHold({ tenantId }))).toBe(false);
      expect(await store.holds.put(a)).toBe(true);
      expect(await store.holds.list(tenantId)).toHaveLength(maxHolds);
      expect([await store.holds.remove(tenantId, 'a'), await store.holds.remove(tenantId, 'a')]).toEqual([true, false]);
    }, 30_000);

    test('keeps a rule for a tenant and one a conversation, until it is taken back', async () => {
      const tenantId = fresh('t');
      const rules = ['', 'a', 'b'].map((conversationId) => aRule(tenantId, conversationId));
      for (const rule of rules.toReversed()) await store.retention.put(rule);
      await store.retention.put(aRule(fresh('t'), ''));
      expect(await store.retention.list(tenantId, undefined, 2)).toEqual(rules.slice(0, 2));
      expect(await store.retention.list(tenantId, 'a', 2)).toEqual(rules.slice(2));
      expect(await store.retention.list(tenantId, '', 9)).toEqual(rules.slice(1));
      expect(await store.retention.getMany(tenantId, ['b', 'c', ''])).toEqual([rules[2], undefined, rules[0]]);
      await store.retention.put(aRule(tenantId, 'b', 5));
      await store.retention.put(aRule(tenantId, 'a', 0));
      expect(await store.retention.list(tenantId, undefined, 9)).toEqual([rules[0], aRule(tenantId, 'b', 5)]);
    });

    test('tells which tenants have rules, each once', async () => {
      const tenants = [fresh('~u'), fresh('~v'), fresh('~w')].toSorted();
      for (const tenantId of tenants) for (const c of ['', 'a', 'b']) await store.retention.put(aRule(tenantId, c));
      expect(await store.retention.tenants('~', 2)).toEqual(tenants.slice(0, 2));
      expect(await store.retention.tenants(tenants[1] as string, 2)).toEqual(tenants.slice(2));
    });
  });
};
