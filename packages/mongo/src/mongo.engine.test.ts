import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Db, MongoClient } from 'mongodb';
import { type CollectionIndexes, indexDifferences, type MongoEngine, openMongo } from './index.ts';
import { dropDatabase, mongoForTest } from './testing/config.ts';

const options = mongoForTest('mongo');
const declared: CollectionIndexes[] = [
  {
    collection: 'notes',
    indexes: [
      { name: 'by_author', key: { tenant: 1, author: 1, at: -1 } },
      { name: 'marked', key: { mark: 1 }, sparse: true },
    ],
  },
];

let client: MongoClient;
let db: Db;
beforeAll(async () => {
  client = new MongoClient(options.url);
  db = client.db(options.database);
  await client.connect();
});
afterAll(async () => {
  await client.close();
  await dropDatabase(options);
});

const open = (over: Partial<Parameters<typeof openMongo>[0]> = {}): Promise<MongoEngine> =>
  openMongo({ ...options, ...over }, declared);

describe('indexes', () => {
  test('are made by whoever opens first, several at the same time', async () => {
    await expect(open({ indexes: 'check' })).rejects.toMatchObject({
      reason: 'FAILED_PRECONDITION',
      details: { indexes: 'notes.by_author, notes.marked' },
    });
    const engines = await Promise.all([open(), open(), open()]);
    await Promise.all(engines.map((engine) => engine.close()));
    const names = (await db.collection('notes').listIndexes().toArray()).map(({ name }) => name);
    expect(names.sort()).toEqual(['_id_', 'by_author', 'marked']);
    await (await open({ indexes: 'check' })).close();
  });

  test('that differ are reported and left alone; those of an operator are only reported', async () => {
    const notes = db.collection('notes');
    await notes.createIndex({ text: 1 }, { name: 'operators_own' });
    await notes.dropIndex('marked');
    await notes.createIndex({ mark: 1 }, { name: 'marked' });
    expect(await indexDifferences(db, declared)).toEqual({
      missing: [],
      different: ['notes.marked'],
      unknown: ['notes.operators_own'],
    });
    await expect(open()).rejects.toMatchObject({
      reason: 'FAILED_PRECONDITION',
      details: { indexes: 'notes.marked' },
    });
    expect((await notes.listIndexes().toArray()).find(({ name }) => name === 'marked')?.['sparse']).toBeUndefined();
    await notes.dropIndex('marked');
    await (await open()).close();
  });
});

test('a call past maxPendingCalls is refused OVERLOADED, and the next one after it is served', async () => {
  const engine = await open({ maxPendingCalls: 2 });
  const ping = (): Promise<unknown> => engine.run((database) => database.command({ ping: 1 }));
  const outcomes = await Promise.allSettled([ping(), ping(), ping()]);
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
  expect((outcomes[2] as PromiseRejectedResult).reason).toMatchObject({
    reason: 'OVERLOADED',
    details: { limit: 'maxPendingCalls' },
  });
  await ping();
  await engine.close();
});

test('a wrong command is INTERNAL, and its text stays inside', async () => {
  const engine = await open();
  await expect(engine.run((database) => database.command({ noSuchCommand: 1 }))).rejects.toMatchObject({
    reason: 'INTERNAL',
    message: 'internal error',
  });
  await engine.close();
});

test('a closed engine has let its calls finish and refuses with DRAINING', async () => {
  const engine = await open();
  const last = engine.run((database) => database.collection('notes').countDocuments());
  await engine.close();
  await expect(last).resolves.toBe(0);
  await expect(engine.run(async () => 1)).rejects.toMatchObject({ reason: 'DRAINING' });
});

test('opening is UNAVAILABLE within the time of a command when nobody listens', async () => {
  const startedAtMs = performance.now();
  const opening = open({ url: 'mongodb://127.0.0.1:9/', commandTimeoutMs: 500 });
  await expect(opening).rejects.toMatchObject({ reason: 'UNAVAILABLE' });
  expect(performance.now() - startedAtMs).toBeLessThan(3_000);
});
