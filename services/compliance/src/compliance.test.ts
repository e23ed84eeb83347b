import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Frontier, leafHash, verifyConsistency, verifyInclusion } from '@caas/compliance-client/merkle';
import { checkpointLine, entryLine, isSignedBy, verifyExport } from '@caas/compliance-client/verify';
import { DeadLetterHeader, deadLetterTopic, Topic } from '@caas/event-log';
import { CaasError } from '@caas/kit';
import { until } from '@caas/kit/testing/until';
import { AuditEntry, type Checkpoint, type QueryAuditRequest } from '@caas/proto/caas/compliance/v1/audit_service';
import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import { anEvent, type ComplianceUnderTest, recordFor, startCompliance } from './testing/start-compliance.ts';

const base = await mkdtemp(join(tmpdir(), 'compliance-'));
const started: ComplianceUnderTest[] = [];
afterEach(async () => {
  for (const each of started.splice(0)) await each.stop();
});
afterAll(() => rm(base, { recursive: true, force: true }));

const start = async (folder?: string): Promise<ComplianceUnderTest & { folder: string }> => {
  const where = folder ?? (await mkdtemp(join(base, 'case-')));
  const compliance = await startCompliance(where);
  started.push(compliance);
  return { ...compliance, folder: where };
};

/** Polls until it holds, at most 10 s. */
const noQuery = { actorId: '', subjectId: '', action: '', traceId: '', fromMs: 0, untilMs: 0, limit: 0, cursor: '' };
const query = (compliance: ComplianceUnderTest, over: Partial<QueryAuditRequest> = {}) =>
  compliance.operator.queryAudit({ tenantId: 'acme', ...noQuery, ...over });
const sizeOf = async (compliance: ComplianceUnderTest, tenantId = 'acme'): Promise<number> =>
  (await compliance.audit.trees.head(tenantId)).size;
const settled = (compliance: ComplianceUnderTest, size: number, tenantId = 'acme') =>
  until(
    'the tree has its size',
    () => sizeOf(compliance, tenantId),
    (there) => there === size,
  );
const checkpointOf = async (compliance: ComplianceUnderTest, tenantId = 'acme'): Promise<Checkpoint> =>
  (await compliance.operator.getCheckpoint({ tenantId, minTreeSize: 0 })).checkpoint as Checkpoint;

describe('what comes through audit.log', () => {
  test('is in the tenant’s tree, each event once, however often it comes', async () => {
    const compliance = await start();
    const events = Array.from({ length: 20 }, () => anEvent());
    await compliance.tell(...events.slice(0, 10), ...events.slice(5, 10));
    await settled(compliance, 10);
    await compliance.tell(...events);
    await settled(compliance, 20);
    const { entries } = await query(compliance, { limit: 100 });
    expect(entries.map(({ event }) => event?.eventId)).toEqual(events.map(({ eventId }) => eventId).toReversed());
    expect(entries.map(({ index }) => index)).toEqual(Array.from({ length: 20 }, (_, i) => 19 - i));
    const logged = entries.map(({ loggedAtMs }) => loggedAtMs).toReversed();
    expect(logged).toEqual(logged.toSorted((a, b) => a - b));
    expect(entries.at(-1)?.event).toEqual(events[0]);
  });

  test('is there after a restart, and after the log was lost and another one began', async () => {
    const first = await start();
    const events = [anEvent(), anEvent(), anEvent()];
    await first.tell(...events);
    await settled(first, 3);
    const before = await checkpointOf(first);
    await first.stop();
    for (const name of ['log.db', 'log.db-wal', 'log.db-shm']) await rm(join(first.folder, name), { force: true });
    const again = await start(first.folder);
    // The new log has other events where the old one had these.
    await again.tell(anEvent(), ...events, anEvent());
    await settled(again, 5);
    const after = await checkpointOf(again);
    const { path } = await again.operator.proveConsistency({ tenantId: 'acme', firstSize: 3, secondSize: 5 });
    const treeOf = ({ treeSize: size, rootHash: root }: Checkpoint) => ({ size, root });
    expect(verifyConsistency(treeOf(before), treeOf(after), path)).toBe(true);
  });

  test('and can’t be an entry goes to the dead letters with its reason, and the rest goes on', async () => {
    const compliance = await start();
    const { log, tell } = compliance;
    const good = anEvent();
    const other = anEvent();
    const poison = [
      { ...recordFor(good), value: Buffer.from('no protobuf \xff') },
      recordFor(anEvent(), 'another-key'),
      { ...recordFor(anEvent()), headers: { 'tenant-id': 'other' } },
      recordFor(anEvent({ eventId: '' })),
    ];
    await log.append([recordFor(good), ...poison, recordFor(other)]);
    await settled(compliance, 2);
    const letters = await until(
      'the dead letters',
      () => log.read(deadLetterTopic(Topic.auditLog), 0, 0, 100),
      ({ length }) => length === poison.length,
    );
    expect(letters.map(({ headers }) => headers[DeadLetterHeader.reason]).toSorted()).toEqual([
      'the key is not the tenant',
      'the tenant of the header is not that of the value',
      'the value is not an audit event within its limits',
      'the value is not an audit event within its limits',
    ]);
    await tell(anEvent());
    await settled(compliance, 3);
  });

  test('waits while the store is away, and comes when it is back', async () => {
    const compliance = await start();
    const { trees } = compliance.audit;
    const { append } = trees;
    let refusals = 0;
    trees.append = () => {
      refusals += 1;
      return Promise.reject(new CaasError('UNAVAILABLE', 'no store'));
    };
    await compliance.tell(anEvent());
    await until(
      'the refusals',
      () => Promise.resolve(refusals),
      (count) => count > 1,
    );
    trees.append = append;
    await settled(compliance, 1);
  });
});

describe('queries', () => {
  test('find by each key, page by page, and nothing of another tenant', async () => {
    const compliance = await start();
    const traceId = 'cd'.repeat(16);
    await compliance.tell(
      anEvent({ atMs: 10, actorId: 'alice', subjectId: 'm1' }),
      anEvent({ atMs: 20, actorId: 'bob', subjectId: 'm1', traceId }),
      anEvent({ atMs: 30, actorId: 'alice', subjectId: 'c1', action: 'conversation.created' }),
      anEvent({ tenantId: 'rival', atMs: 40, actorId: 'alice', subjectId: 'm1', traceId }),
    );
    await settled(compliance, 3);
    await settled(compliance, 1, 'rival');
    const times = async (over: Partial<QueryAuditRequest>) =>
      (await query(compliance, over)).entries.map(({ event }) => event?.atMs);
    expect(await times({})).toEqual([30, 20, 10]);
    expect(await times({ actorId: 'alice' })).toEqual([30, 10]);
    expect(await times({ subjectId: 'm1' })).toEqual([20, 10]);
    expect(await times({ action: 'conversation.*' })).toEqual([30]);
    expect(await times({ traceId })).toEqual([20]);
    expect(await times({ fromMs: 20, untilMs: 30 })).toEqual([20]);
    expect(await times({ tenantId: 'rival' })).toEqual([40]);
    expect(await times({ tenantId: 'nobody' })).toEqual([]);
    const pages: (number | undefined)[][] = [];
    let cursor = '';
    do {
      const page = await query(compliance, { limit: 2, cursor });
      pages.push(page.entries.map(({ event }) => event?.atMs));
      cursor = page.nextCursor;
    } while (cursor !== '');
    expect(pages).toEqual([[30, 20], [10]]);
  });

  test('refuse a cursor that is none, and callers who may not read the audit log', async () => {
    const compliance = await start();
    await expect(query(compliance, { cursor: 'nonsense' })).rejects.toMatchObject({ reason: 'CURSOR_INVALID' });
    await expect(query(compliance, { tenantId: '' })).rejects.toMatchObject({ reason: 'INVALID_ARGUMENT' });
    await expect(query(compliance, { limit: 1_001 })).rejects.toMatchObject({ reason: 'INVALID_ARGUMENT' });
    await expect(compliance.socket.queryAudit({ tenantId: 'acme', ...noQuery })).rejects.toMatchObject({
      reason: 'PERMISSION_DENIED',
    });
    await expect(compliance.socket.getCheckpoint({ tenantId: 'acme', minTreeSize: 0 })).rejects.toMatchObject({
      reason: 'PERMISSION_DENIED',
    });
  });
});

describe('checkpoints and proofs', () => {
  test('every entry is proven to be in the tree of the signed checkpoint, and every tree to be its beginning', async () => {
    const compliance = await start();
    await compliance.tell(...Array.from({ length: 23 }, () => anEvent()));
    await settled(compliance, 23);
    const checkpoint = await checkpointOf(compliance);
    expect(checkpoint.treeSize).toBe(23);
    expect(isSignedBy(checkpoint, checkpoint.signature, checkpoint.publicKey)).toBe(true);
    const frontier = new Frontier();
    const roots = [frontier.root()];
    for (let index = 0; index < 23; index += 1) {
      const { entry, path, treeSize } = await compliance.operator.proveInclusion({
        tenantId: 'acme',
        index,
        treeSize: 0,
      });
      const leaf = entry?.leaf as Uint8Array;
      expect(AuditEntry.decode(leaf).index).toBe(index);
      const claim = { leafHash: leafHash(leaf), index, size: treeSize, root: checkpoint.rootHash };
      expect(verifyInclusion(claim, path)).toBe(true);
      frontier.add(leaf);
      roots.push(frontier.root());
    }
    for (const [first, second] of [
      [1, 23],
      [7, 23],
      [16, 22],
      [23, 23],
    ] as const) {
      const { path } = await compliance.operator.proveConsistency({
        tenantId: 'acme',
        firstSize: first,
        secondSize: second,
      });
      const at = (size: number) => ({ size, root: roots[size] as Uint8Array });
      expect(verifyConsistency(at(first), at(second), path)).toBe(true);
    }
  });

  test('come by themselves where a tree has grown, and are asked for where it has not been signed yet', async () => {
    const compliance = await start();
    await compliance.tell(anEvent());
    const kept = await until(
      'a checkpoint',
      () => compliance.audit.checkpoints.newest('acme'),
      (newest) => newest !== undefined,
    );
    expect(kept?.treeSize).toBe(1);
    expect(await checkpointOf(compliance)).toMatchObject({ treeSize: 1, signedAtMs: kept?.signedAtMs });
    expect(await checkpointOf(compliance, 'nobody')).toMatchObject({ treeSize: 0 });
    expect(await compliance.audit.checkpoints.newest('nobody')).toBeUndefined();
  });

  test('of what is not there are refused', async () => {
    const compliance = await start();
    const { operator, tell } = compliance;
    await tell(anEvent(), anEvent());
    await settled(compliance, 2);
    const refusal = (reason: string) => ({ reason });
    const tenantId = 'acme';
    await expect(operator.getCheckpoint({ tenantId, minTreeSize: 3 })).rejects.toMatchObject(
      refusal('FAILED_PRECONDITION'),
    );
    await expect(operator.proveInclusion({ tenantId, index: 2, treeSize: 0 })).rejects.toMatchObject(
      refusal('NOT_FOUND'),
    );
    await expect(operator.proveInclusion({ tenantId, index: 1, treeSize: 1 })).rejects.toMatchObject(
      refusal('NOT_FOUND'),
    );
    await expect(operator.proveInclusion({ tenantId, index: 0, treeSize: 3 })).rejects.toMatchObject(
      refusal('FAILED_PRECONDITION'),
    );
    await expect(operator.proveInclusion({ tenantId: 'nobody', index: 0, treeSize: 0 })).rejects.toMatchObject(
      refusal('NOT_FOUND'),
    );
    await expect(operator.proveConsistency({ tenantId, firstSize: 2, secondSize: 1 })).rejects.toMatchObject(
      refusal('INVALID_ARGUMENT'),
    );
    await expect(operator.proveConsistency({ tenantId, firstSize: 1, secondSize: 9 })).rejects.toMatchObject(
      refusal('FAILED_PRECONDITION'),
    );
  });

  test('are signed by one key from start to start, which is sealed in the store', async () => {
    const first = await start();
    const before = await checkpointOf(first);
    const [key] = await first.audit.signingKeys.list();
    expect(Buffer.from(key?.sealedPrivateKey ?? []).includes('PRIVATE')).toBe(false);
    await first.stop();
    const again = await start(first.folder);
    expect((await checkpointOf(again)).publicKey).toEqual(before.publicKey);
    await again.stop();
    await rm(join(first.folder, 'keys'), { recursive: true });
    await expect(start(first.folder)).rejects.toThrow(/do not open with this root key/);
  });
});

test('an export of thousands of entries verifies offline, and that it was made is in the log', async () => {
  const compliance = await start();
  const count = 3_000;
  for (let i = 0; i < count; i += 500) await compliance.tell(...Array.from({ length: 500 }, () => anEvent()));
  await settled(compliance, count);
  const lines: string[] = [];
  for await (const { item } of compliance.operator.exportAudit({ tenantId: 'acme' })) {
    if (item?.$case === 'entry') lines.push(entryLine(item.value.leaf));
    if (item?.$case === 'checkpoint') lines.push(checkpointLine(item.value));
  }
  const { publicKey } = await checkpointOf(compliance);
  const verified = await verifyExport(
    lines.map((line) => line.trimEnd()),
    { publicKeys: [publicKey] },
  );
  expect(verified).toMatchObject({ ok: true, tenantId: 'acme', findings: [] });
  expect(verified.entries).toBeGreaterThanOrEqual(count);
  await settled(compliance, count + 1);
  const { entries } = await query(compliance, { action: 'audit.exported' });
  expect(entries[0]?.event).toMatchObject({ actorKind: 2, actorId: 'operator', subjectId: 'acme' });
});

test('two instances on one store and one tree lose nothing and have nothing twice', async () => {
  const first = await start();
  const second = await start(join(base, 'second'));
  // Both append to the first one's trees, as two owners of a partition would that do not know of each other.
  Object.assign(second.audit.trees, first.audit.trees);
  const events = Array.from({ length: 400 }, () => anEvent());
  await Promise.all([
    (async () => {
      for (const event of events) await first.tell(event);
    })(),
    (async () => {
      for (const event of events.toReversed()) await second.tell(event);
    })(),
  ]);
  await settled(first, events.length);
  const leaves = await first.audit.trees.leaves('acme', 0, 1_000);
  const ids = leaves.map((leaf) => AuditEntry.decode(leaf).event?.eventId);
  expect(ids.toSorted()).toEqual(events.map(({ eventId }) => eventId).toSorted());
  const frontier = new Frontier();
  for (const [index, leaf] of leaves.entries()) {
    expect(AuditEntry.decode(leaf).index).toBe(index);
    frontier.add(leaf);
  }
  expect(Buffer.from(frontier.root())).toEqual((await checkpointOf(first)).rootHash);
});
