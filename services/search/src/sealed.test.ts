import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KeyRing, type KeySource, sealContent } from '@caas/compliance-client/keys';
import { CaasError } from '@caas/kit';
import { createLogger } from '@caas/kit/log';
import { until } from '@caas/kit/testing/until';
import { PlainContent } from '@caas/proto/caas/events/v1/content';
import type { MessageDocument } from '@caas/proto/caas/events/v1/documents';
import type { SearchIndex } from '@caas/search-index';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { asked, Bench, type Room, tenantId } from './testing/bench.ts';

type Running = Awaited<ReturnType<Bench['start']>>;

/** Crypto, whose line can be cut. */
class Line implements KeySource {
  cut = false;
  #cutting = new AbortController();
  readonly #source: KeySource;

  constructor(source: KeySource) {
    this.#source = source;
  }

  sever(): void {
    this.cut = true;
    this.#cutting.abort(new CaasError('UNAVAILABLE', 'the line is cut'));
    this.#cutting = new AbortController();
  }

  readonly getCurrentKeys: KeySource['getCurrentKeys'] = async (request, options) => {
    this.#assertWhole();
    return this.#source.getCurrentKeys(request, options);
  };
  readonly openKeys: KeySource['openKeys'] = async (request, options) => {
    this.#assertWhole();
    return this.#source.openKeys(request, options);
  };
  readonly watchDestroyed: KeySource['watchDestroyed'] = (request, options) => {
    this.#assertWhole();
    const signals = [this.#cutting.signal, ...(options?.signal ? [options.signal] : [])];
    return this.#source.watchDestroyed(request, { ...options, signal: AbortSignal.any(signals) });
  };

  #assertWhole(): void {
    if (this.cut) throw new CaasError('UNAVAILABLE', 'the line is cut');
  }
}

describe('sealed content', () => {
  let bench: Bench;
  let ring: KeyRing;
  let line: Line;
  let stopping: AbortController;
  beforeEach(async () => {
    stopping = new AbortController();
    bench = await Bench.open();
    const logger = createLogger({ service: 'test', level: 'silent' });
    ring = new KeyRing({ source: bench.crypto.socket, holder: 'test', logger });
    void ring.run(stopping.signal);
    line = new Line(bench.crypto.clientOf('search'));
  });
  afterEach(async () => {
    stopping.abort();
    await bench.close();
  });

  const room = async (): Promise<Room> => {
    const made = bench.room();
    await made.join('ann');
    return made;
  };
  const say = async (r: Room, senderId: string, text: string): Promise<MessageDocument> => {
    const key = await ring.current(tenantId, senderId);
    if (key === 'destroyed') throw new Error('destroyed');
    const { conversationId, messageId } = r.message(text);
    const value = sealContent(key, PlainContent.fromPartial({ text }), { tenantId, conversationId, messageId });
    return r.say(text, { senderId, content: { body: { $case: 'sealed', value } } });
  };
  const find = async (service: Running, query: string): Promise<string[]> =>
    (await service.client.search(asked(query))).hits.map(({ snippet }) => snippet);
  const found = (service: Running, query: string, texts: readonly string[]): Promise<string[]> =>
    until(
      'the index has it',
      () => find(service, query),
      (hits) => hits.join() === texts.join(),
    );
  const filesWith = async (text: string): Promise<string[]> => {
    const names = (await readdir(bench.folder)).filter((name) => name.includes('.db'));
    const files = await Promise.all(
      names.map(async (name) => ({ name, bytes: await readFile(join(bench.folder, name)) })),
    );
    return files.flatMap(({ name, bytes }) => (bytes.includes(text) ? [name] : []));
  };
  const destroy = (userId: string) => bench.crypto.compliance.destroyUserKeys({ tenantId, userId });

  test('is found by its words, English and Korean; the index alone holds them in the clear', async () => {
    const service = await bench.start();
    const r = await room();
    await say(r, 'ann', 'the quarterlyzebra report');
    await say(r, 'ben', '발표자료 준비했어요');
    await found(service, 'quarterlyzeb', ['the quarterlyzebra report']);
    await found(service, '자료', ['발표자료 준비했어요']);
    const files = await filesWith('quarterlyzebra');
    expect(files.length).toBeGreaterThan(0);
    for (const name of files) expect(name).toMatch(/^search\.db/);
  });

  test('of a user whose keys are destroyed leaves the index and its files, and does not come back', async () => {
    const service = await bench.start();
    const r = await room();
    await say(r, 'ann', 'annswords stay');
    const first = await say(r, 'ben', 'benswords go');
    await found(service, 'benswords', ['benswords go']);
    await destroy('ben');
    await until(
      'the index has it',
      () => filesWith('benswords'),
      (files) => files.length === 0,
    );
    expect(await find(service, 'benswords')).toEqual([]);
    expect(await bench.index.count()).toBe(1);
    // A change of the message, and an index that is written anew, bring nothing back.
    await r.write({ ...first, rev: r.head.headRev + 1, pinnedAtMs: 5 });
    await r.commit();
    await r.told(first.seq);
    const operator = bench.client(service.address, 'operator');
    for await (const { done } of operator.reindex({ tenantId })) if (done) break;
    operator.close();
    await found(service, 'annswords', ['annswords stay']);
    expect(await bench.index.count()).toBe(1);
    expect(await filesWith('benswords')).toEqual([]);
  });

  test('is purged, too, when its keys are destroyed while the service is not there, or does not reach crypto', async () => {
    const first = await bench.start({ keys: line });
    const r = await room();
    await say(r, 'ben', 'benswords go');
    await say(r, 'cat', 'catswords go');
    await found(first, 'go', ['catswords go', 'benswords go']);
    line.sever();
    await destroy('cat');
    line.cut = false;
    await until(
      'the index has it',
      () => filesWith('catswords'),
      (files) => files.length === 0,
    );
    await first.stop();
    await destroy('ben');
    expect(await filesWith('benswords')).not.toEqual([]);
    await bench.start();
    await until(
      'the index has it',
      () => filesWith('benswords'),
      (files) => files.length === 0,
    );
  });

  test('that was read before its key was destroyed, and is written after, does not stay', async () => {
    const written = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    let purges = 0;
    const index: SearchIndex = new Proxy(bench.index, {
      get: (target, name) => {
        if (name === 'apply')
          return async (batch: Parameters<SearchIndex['apply']>[0]) => {
            if (batch.documents.length > 0) {
              written.resolve();
              await held.promise;
            }
            await target.apply(batch);
          };
        if (name === 'purgeSender')
          return async (...sender: Parameters<SearchIndex['purgeSender']>) => {
            const purged = await target.purgeSender(...sender);
            purges += 1;
            return purged;
          };
        const value = Reflect.get(target, name) as unknown;
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const service = await bench.start({ index });
    const r = await room();
    await say(r, 'ben', 'benswords go');
    await written.promise;
    await destroy('ben');
    // The purge has nothing to take out yet.
    await until(
      'the index has it',
      () => purges,
      (count) => count > 0,
    );
    held.resolve();
    await say(r, 'ann', 'annswords stay');
    await found(service, 'annswords', ['annswords stay']);
    await until(
      'the index has it',
      () => filesWith('benswords'),
      (files) => files.length === 0,
    );
    expect(await find(service, 'benswords')).toEqual([]);
  });

  test('waits while crypto is away: the lag shows it, searches say so, and nothing is passed over', async () => {
    line.cut = true;
    const service = await bench.start({ keys: line });
    const r = await room();
    await say(r, 'ann', 'patientwords one');
    await until(
      'the index has it',
      async () => (await service.client.search(asked('patientwords'))).lagMs,
      (lag) => lag > 0,
    );
    await say(r, 'ben', 'patientwords two');
    expect(await bench.index.count()).toBe(0);
    line.cut = false;
    await found(service, 'patientwords', ['patientwords two', 'patientwords one']);
    await until(
      'the index has it',
      async () => (await service.client.search(asked('patientwords'))).lagMs,
      (lag) => lag === 0,
    );
  });
});
