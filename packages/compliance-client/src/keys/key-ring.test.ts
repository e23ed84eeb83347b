import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CryptoUnderTest, startCrypto } from '@caas/crypto/testing';
import { CaasError, type Clock } from '@caas/kit';
import { createLogger } from '@caas/kit/log';
import { until } from '@caas/kit/testing/until';
import { PlainContent } from '@caas/proto/caas/events/v1/content';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { readContents, readHeldContents, type StandingContent } from './content-reader.ts';
import type { HeldKey } from './held-keys.ts';
import { KeyRing, type KeySource } from './key-ring.ts';
import { sealContent } from './sealed-content.ts';

const graceMs = 2_000;
const holdMs = 10_000;
const folder = await mkdtemp(join(tmpdir(), 'key-ring-'));
let crypto: CryptoUnderTest;
beforeAll(async () => {
  crypto = await startCrypto(folder, { holderGraceMs: graceMs, keyHoldMs: holdMs });
});
afterAll(async () => {
  await crypto.stop();
  await rm(folder, { recursive: true, force: true });
});

const logger = createLogger({ service: 'test', level: 'silent' });
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
let counter = 0;
const fresh = (kind: string): string => `${kind}-${++counter}`;

/** The service, whose network can be cut, fall silent or be slow; counts what is asked. */
class Line implements KeySource {
  readonly calls: { method: string; ids: number }[] = [];
  /** Bytes of keys that were handed out. */
  readonly bytes: Buffer[] = [];
  cut = false;
  silent = false;
  /** What the watch says waits for it. */
  late: (() => Promise<void>) | undefined;
  /** Answers wait for it. */
  slow: Promise<void> | undefined;
  #cutting = new AbortController();
  readonly #service: CryptoUnderTest;

  constructor(service: CryptoUnderTest) {
    this.#service = service;
  }

  sever(): void {
    this.cut = true;
    this.#cutting.abort(new CaasError('UNAVAILABLE', 'the line is cut'));
    this.#cutting = new AbortController();
  }

  readonly getCurrentKeys: KeySource['getCurrentKeys'] = async (request, options) => {
    this.calls.push({ method: 'getCurrentKeys', ids: request.userIds.length });
    return this.#answer(await this.#through(() => this.#service.socket.getCurrentKeys(request, options)));
  };
  readonly openKeys: KeySource['openKeys'] = async (request, options) => {
    this.calls.push({ method: 'openKeys', ids: request.keyIds.length });
    return this.#answer(await this.#through(() => this.#service.socket.openKeys(request, options)));
  };
  readonly watchDestroyed: KeySource['watchDestroyed'] = (request, options) => this.#watch(request, options?.signal);

  async *#watch(...[request, signal]: [Parameters<KeySource['watchDestroyed']>[0], AbortSignal | undefined]) {
    if (this.cut) throw new CaasError('UNAVAILABLE', 'the line is cut');
    const both = AbortSignal.any([this.#cutting.signal, ...(signal ? [signal] : [])]);
    for await (const response of this.#service.socket.watchDestroyed(request, { signal: both }))
      if (!this.silent) {
        await this.late?.();
        yield response;
      }
  }

  async #through<T>(call: () => Promise<T>): Promise<T> {
    if (this.cut) throw new CaasError('UNAVAILABLE', 'the line is cut');
    const answer = await call();
    await this.slow;
    return answer;
  }

  #answer<T extends { keys: { key: Buffer }[] }>(answer: T): T {
    this.bytes.push(...answer.keys.map(({ key }) => key));
    return answer;
  }
}

const running: AbortController[] = [];
afterEach(() => {
  for (const each of running.splice(0)) each.abort();
});
const aRing = (service = crypto, clock?: Clock) => {
  const line = new Line(service);
  const ring = new KeyRing({ source: line, holder: 'test', logger, ...(clock && { clock }) });
  const controller = new AbortController();
  running.push(controller);
  const ended = ring.run(controller.signal);
  const stop = (): Promise<void> => {
    controller.abort();
    return ended;
  };
  return { ring, line, stop };
};
const current = async (ring: KeyRing, tenantId: string, userId: string): Promise<HeldKey> => {
  const key = await ring.current(tenantId, userId);
  if (key === 'destroyed') throw new Error('destroyed');
  return key;
};
const destroy = (tenantId: string, userId: string) => crypto.compliance.destroyUserKeys({ tenantId, userId });

test('what a turn asks for goes in one call a tenant, and nothing is asked for twice', async () => {
  const { ring, line } = aRing();
  const [one, two] = [fresh('t'), fresh('t')];
  const users = Array.from({ length: 40 }, (_, i) => `u${i % 20}`);
  const asked = [...users.map((user) => current(ring, one, user)), current(ring, two, 'alice')];
  const keys = await Promise.all(asked);
  expect(line.calls).toEqual([
    { method: 'getCurrentKeys', ids: 20 },
    { method: 'getCurrentKeys', ids: 1 },
  ]);
  expect(keys.slice(0, 20)).toEqual(keys.slice(20, 40));
  expect(ring.held(one, 'u3')).toBe(keys[3]);
  expect(ring.held(two, 'u3')).toBeUndefined();
  await current(ring, one, 'u3');
  expect(line.calls).toHaveLength(2);
  // The bytes the keys came in are overwritten; what is held is out of their reach.
  expect(line.bytes).toHaveLength(21);
  expect(line.bytes.every((bytes) => bytes.every((byte) => byte === 0))).toBe(true);
});

test('200 messages of 50 senders are read with one call, and the next 200 with none', async () => {
  const [writer, reader] = [aRing().ring, aRing()];
  const tenantId = fresh('t');
  const items: StandingContent[] = [];
  for (let i = 0; i < 200; i += 1) {
    const place = { tenantId, conversationId: 'c', messageId: `m${i}` };
    const key = await current(writer, tenantId, `sender-${i % 50}`);
    const value = sealContent(key, PlainContent.fromPartial({ text: `text ${i}` }), place);
    items.push({ ...place, content: { body: { $case: 'sealed', value } } });
  }
  expect(readHeldContents(reader.ring, items)).toBeUndefined();
  const read = await readContents(reader.ring, items);
  expect(read.map((content) => (content as PlainContent).text)).toEqual(items.map((_, i) => `text ${i}`));
  expect(reader.line.calls).toEqual([{ method: 'openKeys', ids: 50 }]);
  expect(readHeldContents(reader.ring, items)).toEqual(read);
  await readContents(reader.ring, items);
  expect(reader.line.calls).toHaveLength(1);
});

test('content that was changed, or stands elsewhere, is unreadable, as is that of an unknown key; none stays none', async () => {
  const { ring } = aRing();
  const tenantId = fresh('t');
  const place = { tenantId, conversationId: 'c', messageId: 'm' };
  const key = await current(ring, tenantId, 'alice');
  const content = PlainContent.fromPartial({ text: 'words', metadata: { a: 'b' } });
  const value = sealContent(key, content, place);
  const sealed = { body: { $case: 'sealed' as const, value } };
  const changed = { ...value, ciphertext: Buffer.from(value.ciphertext) };
  changed.ciphertext[3] = (changed.ciphertext[3] as number) ^ 1;
  const items: StandingContent[] = [
    { ...place, content: sealed },
    { ...place, messageId: 'another', content: sealed },
    { ...place, conversationId: 'another', content: sealed },
    { ...place, content: { body: { $case: 'sealed', value: changed } } },
    { ...place, content: { body: { $case: 'sealed', value: { ...value, ciphertext: Buffer.alloc(3) } } } },
    { ...place, content: { body: { $case: 'sealed', value: { ...value, nonce: Buffer.alloc(3) } } } },
    { ...place, content: { body: { $case: 'sealed', value: { ...value, keyId: `${key.keyId}9` } } } },
    { ...place, tenantId: fresh('t'), content: sealed },
    { ...place, content: { body: { $case: 'plain', value: content } } },
    { ...place, content: undefined },
  ];
  const bad = items.slice(1, 8).map(() => 'unreadable');
  expect(await readContents(ring, items)).toEqual([content, ...bad, content, undefined]);
});

test('no two contents have one nonce', async () => {
  const { ring } = aRing();
  const tenantId = fresh('t');
  const key = await current(ring, tenantId, 'alice');
  const place = { tenantId, conversationId: 'c', messageId: 'm' };
  const nonces = Array.from({ length: 5_000 }, () =>
    sealContent(key, PlainContent.fromPartial({ text: 'x' }), place).nonce.toString('hex'),
  );
  expect(new Set(nonces).size).toBe(nonces.length);
});

test('a key is used for its time and not longer, and fetched anew before while it is used', async () => {
  const own = await startCrypto(join(folder, 'patient'), { holderGraceMs: 60_000, keyHoldMs: holdMs });
  let movedMs = 0;
  const { ring, line, stop } = aRing(own, { now: () => movedMs + performance.now() });
  const tenantId = fresh('t');
  const first = await current(ring, tenantId, 'alice');
  movedMs += holdMs / 2 - 2_000;
  expect(ring.held(tenantId, 'alice')).toBe(first);
  expect(line.calls).toHaveLength(1);
  movedMs += 2_500;
  expect(ring.held(tenantId, 'alice')).toBe(first);
  await until('the ring has heard', () => ring.held(tenantId, 'alice') !== first);
  expect(line.calls).toHaveLength(2);
  movedMs += holdMs;
  expect(ring.held(tenantId, 'alice')).toBeUndefined();
  expect(ring.heldById(tenantId, first.keyId)).toBeUndefined();
  expect((await current(ring, tenantId, 'alice')).keyId).toBe(first.keyId);
  await stop();
  await own.stop();
});

test('a key that is destroyed is dropped when the service says so, and its user gets no other', async () => {
  const { ring } = aRing();
  const tenantId = fresh('t');
  const key = await current(ring, tenantId, 'alice');
  const bob = await current(ring, tenantId, 'bob');
  await destroy(tenantId, 'alice');
  await until('the ring has heard', () => ring.held(tenantId, 'alice') === undefined);
  expect(ring.heldById(tenantId, key.keyId)).toBe('destroyed');
  expect((await ring.open(tenantId, [key.keyId, bob.keyId])).get(key.keyId)).toBe('destroyed');
  expect(await ring.current(tenantId, 'alice')).toBe('destroyed');
  expect(ring.held(tenantId, 'bob')).toBe(bob);
});

test('an answer that was under way when its key was destroyed is not taken', async () => {
  const { ring, line } = aRing();
  const tenantId = fresh('t');
  await current(ring, tenantId, 'bob');
  const { keys } = await crypto.socket.getCurrentKeys({ tenantId, userIds: ['alice'] });
  const keyId = keys[0]?.keyId as string;
  const held = Promise.withResolvers<void>();
  line.slow = held.promise;
  const opening = ring.open(tenantId, [keyId]);
  await until('the ring has heard', () => line.calls.some(({ method }) => method === 'openKeys'));
  await pause(50);
  await destroy(tenantId, 'alice');
  await until('the ring has heard', () => ring.heldById(tenantId, keyId) === 'destroyed');
  held.resolve();
  expect((await opening).get(keyId)).toBe('destroyed');
});

test('a ring that hears nothing goes on for the grace, then uses nothing, and says so at once', async () => {
  const { ring, line } = aRing();
  const tenantId = fresh('t');
  const key = await current(ring, tenantId, 'alice');
  line.sever();
  expect(ring.held(tenantId, 'alice')).toBe(key);
  await expect(ring.current(tenantId, 'carol')).rejects.toMatchObject({ reason: 'UNAVAILABLE', retryable: true });
  expect(ring.heldById(tenantId, key.keyId)).toBe(key);
  const startedAt = performance.now();
  await until('the ring has heard', () => ring.held(tenantId, 'alice') === undefined);
  expect(performance.now() - startedAt).toBeLessThan(graceMs + 1_000);
  expect(ring.heldById(tenantId, key.keyId)).toBeUndefined();
  expect(ring.size).toBe(0);
  const asked = performance.now();
  await expect(ring.current(tenantId, 'alice')).rejects.toMatchObject({ reason: 'UNAVAILABLE' });
  await expect(ring.open(tenantId, [key.keyId])).rejects.toMatchObject({ reason: 'UNAVAILABLE' });
  expect(performance.now() - asked).toBeLessThan(1_500);
  line.cut = false;
  await until('the ring has heard', () =>
    current(ring, tenantId, 'alice').then(
      ({ keyId }) => keyId === key.keyId,
      () => false,
    ),
  );
});

test('what was destroyed while the watch was broken is dropped before the ring goes on', async () => {
  // The grace is longer than this takes on a busy machine.
  const own = await startCrypto(join(folder, 'lasting'), { holderGraceMs: 60_000, keyHoldMs: holdMs });
  const { ring, line, stop } = aRing(own);
  const tenantId = fresh('t');
  const [alice, bob] = [await current(ring, tenantId, 'alice'), await current(ring, tenantId, 'bob')];
  line.sever();
  await own.compliance.destroyUserKeys({ tenantId, userId: 'alice' });
  line.cut = false;
  await until('the ring has heard', () => ring.heldById(tenantId, alice.keyId) === 'destroyed');
  // It went on where it was: what was not destroyed is held still.
  expect(ring.heldById(tenantId, bob.keyId)).toBe(bob);
  await stop();
  await own.stop();
});

test('a service that answers and does not say what is destroyed is as one that is away', async () => {
  const { ring, line } = aRing();
  const tenantId = fresh('t');
  await current(ring, tenantId, 'alice');
  line.silent = true;
  await until('the ring has heard', () => ring.held(tenantId, 'alice') === undefined);
  const startedAt = performance.now();
  await expect(ring.current(tenantId, 'alice')).rejects.toMatchObject({ reason: 'UNAVAILABLE' });
  expect(performance.now() - startedAt).toBeLessThan(7_000);
  line.silent = false;
  await until('the ring has heard', () =>
    ring.current(tenantId, 'alice').then(
      () => true,
      () => false,
    ),
  );
}, 20_000);

test('what the service said long ago counts from then, though it is heard again and again', async () => {
  const { ring, line } = aRing();
  const tenantId = fresh('t');
  await current(ring, tenantId, 'alice');
  // More often than the grace is over, and each later than the one before.
  line.late = () => pause((graceMs * 2) / 3);
  await until('the ring has heard', () => ring.held(tenantId, 'alice') === undefined);
  line.late = undefined;
  await until('the ring has heard', () =>
    current(ring, tenantId, 'alice').then(
      () => true,
      () => false,
    ),
  );
});

test('asks beyond the bound are refused at once, and a ring that has ended asks for nothing', async () => {
  const { ring, line, stop } = aRing();
  line.slow = new Promise(() => undefined);
  const tenantId = fresh('t');
  const asked = Array.from({ length: 50_001 }, (_, i) => ring.current(tenantId, `u${i}`));
  for (const each of asked) each.catch(() => undefined);
  await expect(asked.at(-1)).rejects.toMatchObject({ reason: 'OVERLOADED' });
  await stop();
  const ended = aRing();
  await current(ended.ring, tenantId, 'alice');
  await ended.stop();
  expect(ended.ring.size).toBe(0);
  await expect(ended.ring.current(fresh('t'), 'alice')).rejects.toMatchObject({ reason: 'UNAVAILABLE' });
}, 30_000);
