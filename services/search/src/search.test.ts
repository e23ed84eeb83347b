import { CaasError } from '@caas/kit';
import { until } from '@caas/kit/testing/until';
import type { MessageStore } from '@caas/message-store';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { asked, Bench, type Room, tenantId } from './testing/bench.ts';

type Running = Awaited<ReturnType<Bench['start']>>;

describe('the search service', () => {
  let bench: Bench;
  let service: Running;
  beforeAll(async () => {
    bench = await Bench.open();
    service = await bench.start();
  });
  afterAll(() => bench.close());

  const find = async (query: string, running = service): Promise<string[]> =>
    (await running.client.search(asked(query))).hits.map(({ snippet }) => snippet);
  const found = (query: string, count = 1, running = service): Promise<string[]> =>
    until(
      'the index has it',
      () => find(query, running),
      (hits) => hits.length === count,
    );
  const room = async (): Promise<Room> => {
    const made = bench.room();
    await made.join('ann');
    return made;
  };

  test('has what is committed, and nothing that is not', async () => {
    const r = await room();
    await r.say('one committed');
    await found('committed');
    const pending = r.message('two pending');
    await r.write(pending);
    await r.told(2);
    await r.say('three', { seq: 3, messageId: 'later' }).catch(() => undefined);
    expect(await find('one')).toEqual(['one committed']);
    // The head does not reach it: readers see nothing past it.
    const other = await room();
    await other.commit();
    await other.write(other.message('never seen'));
    await other.told(1);
    await r.say('marker');
    await found('marker');
    expect(await find('never')).toEqual([]);
  });

  test('an edit whose commit is late holds nobody up, and shows when it is there', async () => {
    const [late, other] = [await room(), await room()];
    const first = await late.say('slowpoke draft');
    await found('slowpoke');
    const offsets = await late.accepted('edited', first.messageId);
    await other.say('meanwhile');
    await found('meanwhile');
    expect((await service.client.search(asked('slowpoke'))).lagMs).toBeGreaterThan(0);
    expect(await find('slowpoke')).toEqual(['slowpoke draft']);
    const content = {
      body: { $case: 'plain' as const, value: { text: 'slowpoke final', attachments: [], mentions: [], metadata: {} } },
    };
    await late.write({ ...first, rev: late.head.headRev + 1, content });
    await late.commit({ offsets });
    const atMs = Date.now();
    await until(
      'the index has it',
      () => find('slowpoke final'),
      (hits) => hits.length === 1,
    );
    expect(Date.now() - atMs).toBeLessThan(1_000);
    await until(
      'the index has it',
      async () => (await service.client.search(asked('slowpoke'))).lagMs,
      (lag) => lag === 0,
    );
  });

  test('what waits for its commit is not forgotten by a restart', async () => {
    const r = await room();
    const first = await r.say('restart draft');
    await found('restart');
    const offsets = await r.accepted('deleted', first.messageId);
    await until(
      'the index has it',
      async () => (await bench.index.marks([0, 1, 2].map((n) => `shard/${n}`))).join(),
      (marks) => marks.includes(r.conversationId),
    );
    await service.stop();
    await r.write({ ...first, rev: r.head.headRev + 1, content: undefined, deletedAtMs: 5 });
    await r.commit({ offsets });
    service = await bench.start();
    const counted = await bench.index.count();
    await until(
      'the index has it',
      () => bench.index.count(),
      (count) => count === counted - 1,
    );
    expect(await find('restart')).toEqual([]);
  });

  test('shows no text that the store has no more, however far behind the index is', async () => {
    const r = await room();
    const first = await r.say('stale words');
    await found('stale');
    // Changed in the store, and nobody told: the index has the old words.
    await r.write({ ...first, content: undefined, deletedAtMs: 7 });
    expect(await service.client.search(asked('stale'))).toMatchObject({ hits: [], nextCursor: '' });
  });

  test('a record that can’t be read is passed over', async () => {
    const r = await room();
    const headers = { 'tenant-id': tenantId };
    await bench.log.append([
      { topic: 'message.edited', key: r.conversationId, value: Buffer.from([0xff, 0xff]), headers },
      { topic: 'message.delivered', key: 'another', value: Buffer.from('x'), headers: {} },
    ]);
    await r.say('after the poison');
    await found('poison');
  });

  test('an index that was lost is written anew from the store, by itself', async () => {
    const r = await room();
    for (let i = 0; i < 3; i++) await r.say(`treasure ${i}`);
    await found('treasure', 3);
    await service.stop();
    await bench.loseIndex();
    service = await bench.start();
    // What the log's group has had is to be in the store first: it is not told again.
    expect(await find('treasure')).toEqual([]);
    expect((await service.client.search(asked('treasure'))).lagMs).toBeGreaterThan(0);
    await bench.allApplied();
    await found('treasure', 3);
    await until(
      'the index has it',
      async () => (await service.client.search(asked('treasure'))).lagMs,
      (lag) => lag === 0,
    );
  });

  test('an old store and an empty index: everything is indexed at the first start, also a long conversation', async () => {
    const old = await Bench.open();
    const r = old.room();
    await r.join('ann');
    const many = Array.from({ length: 2_500 }, (_, i) =>
      r.message(`ancient ${i % 2 ? 'odd' : 'even'}`, { seq: i + 1, rev: i + 1, messageId: `m${i}` }),
    );
    for (let i = 0; i < many.length; i += 1_000) await old.store.messages.write(many.slice(i, i + 1_000));
    await r.commit({ headRev: 2_500, lastSeq: 2_500 });
    const running = await old.start();
    await until(
      'the index has it',
      () => old.index.count(),
      (count) => count === 2_500,
    );
    expect(await find('ancient odd', running)).toHaveLength(20);
    await old.close();
  });

  test('reindexing goes on while searches do, tells how far it is, and is an operator’s', async () => {
    const r = await room();
    for (let i = 0; i < 5; i++) await r.say(`again ${i}`);
    await found('again', 5);
    const operator = bench.client(service.address, 'operator');
    const told: { messages: number; done: boolean }[] = [];
    for await (const progress of operator.reindex({ tenantId })) {
      told.push(progress);
      expect(await find('again')).toHaveLength(5);
    }
    expect(told.at(-1)).toMatchObject({ done: true });
    expect(told.at(-1)?.messages).toBeGreaterThanOrEqual(5);
    expect(await find('again')).toHaveLength(5);
    expect(await operator.getIndexState({})).toMatchObject({ lagMs: 0, reindexing: [] });
    const refused = (async () => {
      for await (const _ of service.client.reindex({ tenantId }));
    })();
    await expect(refused).rejects.toMatchObject({ reason: 'PERMISSION_DENIED' });
    operator.close();
  });

  test('reindexing that was cut off by the end of the process goes on after it', async () => {
    const r = await room();
    await r.say('interrupted');
    await found('interrupted');
    await bench.index.apply({ documents: [], marks: { reindex: JSON.stringify({ [tenantId]: null }) } });
    await service.stop();
    service = await bench.start();
    await until(
      'the index has it',
      () => bench.index.marks(['reindex']),
      ([mark]) => mark === '{}',
    );
    await found('interrupted');
  });

  test('a purged sender is found no more', async () => {
    const r = await room();
    const first = await r.say('purge me', { senderId: 'gone' });
    await found('purge');
    // The store has it no more: then it is purged.
    await r.write({ ...first, content: undefined, deletedAtMs: 5 });
    const compliance = bench.client(service.address, 'compliance');
    expect(await compliance.purgeUser({ tenantId, userId: 'gone' })).toEqual({ messages: 1, goneAfterMs: 0 });
    expect(await compliance.purgeUser({ tenantId, userId: 'gone' })).toEqual({ messages: 0, goneAfterMs: 0 });
    await expect(service.client.purgeUser({ tenantId, userId: 'ann' })).rejects.toMatchObject({
      reason: 'PERMISSION_DENIED',
    });
    compliance.close();
  });

  test('a search without claims, and one too many at once, are refused', async () => {
    await expect(service.client.search(asked('x', { claims: undefined }))).rejects.toMatchObject({
      reason: 'UNAUTHENTICATED',
    });
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const participants = { ...bench.store.participants, ofUser: () => held.then(() => []) };
    const slow = await bench.start({ store: { ...bench.store, participants } as MessageStore });
    const searches = Array.from({ length: 4 }, () => slow.client.search(asked('x')));
    await until(
      'the index has it',
      () => slow.client.search(asked('x'), { deadlineMs: 200 }).catch((error: unknown) => (error as CaasError).reason),
      (reason) => reason === 'OVERLOADED',
    );
    release();
    await Promise.all(searches);
    await slow.stop();
  });

  test('without its store it says so, and is back with it', async () => {
    let away = true;
    const participants = {
      ...bench.store.participants,
      ofUser: (...args: Parameters<MessageStore['participants']['ofUser']>) =>
        away
          ? Promise.reject(new CaasError('UNAVAILABLE', 'the store is away'))
          : bench.store.participants.ofUser(...args),
    };
    const other = await bench.start({ store: { ...bench.store, participants } as MessageStore });
    await expect(other.client.search(asked('anything'))).rejects.toMatchObject({ reason: 'UNAVAILABLE' });
    away = false;
    expect(await other.client.search(asked('anything'))).toMatchObject({ hits: [] });
    await other.stop();
  });

  test('a lookup that names no word of the text costs nothing and finds nothing', async () => {
    expect(await service.client.search(asked('?!…'))).toMatchObject({ hits: [], nextCursor: '' });
  });
});
