/** What holds while the server is killed, or answers nothing. It is a server of this file's own. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Engines, startEngines } from '@caas/infra';
import { CaasError } from '@caas/kit';
import type { ConversationDocument, MessageDocument } from '@caas/proto/caas/events/v1/documents';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { aRoom } from './contract/builders.ts';
import type { MessageStore } from './index.ts';
import { openMongoMessageStore } from './mongo/index.ts';

const commandTimeoutMs = 2_000;
/** Beyond the timeout: the machine may be busy. */
const slackMs = 2_000;
const writers = 4;
const kills = 3;

let dataDir: string;
let engines: Engines;
let store: MessageStore;
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'mongo-outage-'));
  engines = await startEngines({ only: ['mongodb'], dataDir, ports: 'free' });
  store = await openMongoMessageStore({ url: engines.env['MONGODB_URL'] as string, commandTimeoutMs });
}, 180_000);
afterAll(async () => {
  await store?.close();
  await engines?.stop();
  await rm(dataDir, { recursive: true, force: true });
});

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const until = async (what: string, holds: () => boolean, timeoutMs = 60_000): Promise<void> => {
  const deadline = performance.now() + timeoutMs;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms for: ${what}`);
    await pause(5);
  }
};

/** Writes and commits batches of one conversation as a worker does: a batch that failed comes again in a new epoch. */
class Writer {
  readonly room = aRoom();
  readonly acknowledged: MessageDocument[] = [];
  head: ConversationDocument | undefined;
  faults: { reason: string; tookMs: number }[] = [];
  stopped = false;

  async run(): Promise<void> {
    let epoch: number | undefined;
    while (!this.stopped) {
      const startedAtMs = performance.now();
      try {
        epoch ??= await this.#begin();
        await this.#batch(epoch);
      } catch (thrown) {
        epoch = undefined;
        this.faults.push({
          reason: thrown instanceof CaasError ? thrown.reason : String(thrown),
          tookMs: performance.now() - startedAtMs,
        });
        await pause(20);
      }
    }
  }

  /** A new epoch, from what is committed. */
  async #begin(): Promise<number> {
    const epoch = await store.conversations.claimShard(0);
    const [stored] = await store.conversations.getMany([this.room.key]);
    const fenced = { ...(stored ?? this.room.head(1, epoch)), epoch };
    await this.#commit(stored?.headRev ?? 0, fenced);
    // What was acknowledged is never ahead of what is committed.
    expect(fenced.lastSeq).toBeGreaterThanOrEqual(this.acknowledged.length);
    // A commit without an answer may have taken place: its messages count as acknowledged by what is stored.
    for (let seq = this.acknowledged.length + 1; seq <= fenced.lastSeq; seq += 1)
      this.acknowledged.push(this.#message(seq, epoch));
    this.head = fenced;
    return epoch;
  }

  async #commit(expectedHeadRev: number, document: ConversationDocument): Promise<void> {
    const [outcome] = await store.conversations.commit([{ expectedHeadRev, document }]);
    // A first try of the driver's whose answer was lost may have taken place: to be read anew, as a worker does.
    if (outcome === 'stale') throw new CaasError('UNAVAILABLE', 'another commit took place');
  }

  #message(seq: number, epoch: number): MessageDocument {
    return this.room.message({ messageId: `m${seq}`, seq, rev: seq + 1, epoch });
  }

  async #batch(epoch: number): Promise<void> {
    const head = this.head as ConversationDocument;
    const batch = Array.from({ length: 10 }, (_, i) => this.#message(head.lastSeq + 1 + i, epoch));
    await store.messages.write(batch);
    const lastSeq = head.lastSeq + batch.length;
    const document = { ...head, headRev: head.headRev + batch.length, lastSeq };
    await this.#commit(head.headRev, document);
    this.head = document;
    this.acknowledged.push(...batch);
  }
}

test('no acknowledged write is lost to SIGKILL in the middle of writes; calls fail UNAVAILABLE in time meanwhile', async () => {
  const all = Array.from({ length: writers }, () => new Writer());
  const running = all.map((writer) => writer.run());
  const acknowledged = (): number => all.reduce((sum, { acknowledged: { length } }) => sum + length, 0);
  for (let kill = 0; kill < kills; kill += 1) {
    const before = acknowledged();
    await until('acknowledged writes', () => acknowledged() > before + 200);
    for (const writer of all) writer.faults = [];
    await engines.process('mongodb').kill();
    await until('every writer to fail', () => all.every(({ faults }) => faults.length > 0));
    await engines.process('mongodb').start();
    const killedAt = acknowledged();
    const startedAtMs = performance.now();
    await until('recovery', () => acknowledged() > killedAt + 10);
    process.stdout.write(
      `mongo outage: ${killedAt} acknowledged, again after ${Math.round(performance.now() - startedAtMs)} ms\n`,
    );
    for (const { reason, tookMs } of all.flatMap(({ faults }) => faults)) {
      expect(reason).toBe('UNAVAILABLE');
      // A writer's turn is at most five calls, of which one fails.
      expect(tookMs).toBeLessThan(commandTimeoutMs + slackMs);
    }
  }
  for (const writer of all) writer.stopped = true;
  await Promise.all(running);
  for (const { room, acknowledged: messages, head } of all) {
    const page = { fromSeq: 1, toSeq: messages.length, limit: 1_000, from: 'oldest' as const };
    const stored = await store.messages.page(room.key, page);
    expect(stored.map((d) => [d.seq, d.messageId])).toEqual(messages.map((d) => [d.seq, d.messageId]));
    const [committed] = await store.conversations.getMany([room.key]);
    expect(committed?.lastSeq).toBeGreaterThanOrEqual(head?.lastSeq ?? 0);
  }
}, 180_000);

const isAnswered = (): Promise<boolean> =>
  store.conversations.claimShard(0).then(
    () => true,
    () => false,
  );

test('a server that answers nothing makes every call fail UNAVAILABLE in time, and is used again when it answers', async () => {
  const { key, message, head } = aRoom();
  await store.messages.write([message()]);
  engines.process('mongodb').pause();
  const calls = [
    () => store.messages.write([message({ seq: 2 })]),
    () => store.messages.page(key, { fromSeq: 1, toSeq: 9, limit: 9, from: 'oldest' }),
    () => store.messages.countUnread([{ ...key, userId: 'bob', afterSeq: 0, lastSeq: 1 }]),
    () => store.conversations.commit([{ expectedHeadRev: 0, document: head(1, 1) }]),
    () => store.conversations.claimShard(0),
  ];
  try {
    // A call or two may be served before the signal has stopped every thread of the server.
    while (await isAnswered()) expect(engines.process('mongodb').pid).toBeDefined();
    const startedAtMs = performance.now();
    const outcomes = await Promise.allSettled(calls.map((call) => call()));
    expect(performance.now() - startedAtMs).toBeLessThan(commandTimeoutMs + slackMs);
    for (const outcome of outcomes)
      expect(outcome).toMatchObject({ status: 'rejected', reason: { reason: 'UNAVAILABLE' } });
  } finally {
    engines.process('mongodb').resume();
  }
  const deadline = performance.now() + 30_000;
  for (;;) {
    const page = await store.messages.page(key, { fromSeq: 1, toSeq: 1, limit: 9, from: 'oldest' }).catch(() => []);
    if (page.length === 1) break;
    if (performance.now() > deadline) throw new Error('not used again within 30 s');
    await pause(50);
  }
}, 60_000);
