import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { CaasError } from '@caas/kit';
import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import { openSqliteHost, restartDelayMs, type SqliteHost, type SqliteHostOptions } from './index.ts';

type Notes = ReturnType<typeof import('./testing/notes-worker.ts').open>;

const folder = mkdtempSync(join(tmpdir(), 'caas-sqlite-'));
let files = 0;
const aFile = (): string => join(folder, 'deep', `${++files}.db`);
const open: SqliteHost<Notes>[] = [];
const aHost = async (options: Partial<SqliteHostOptions> = {}): Promise<SqliteHost<Notes>> => {
  const module = new URL('./testing/notes-worker.ts', import.meta.url);
  const host = await openSqliteHost<Notes>({ file: aFile(), module, ...options });
  open.push(host);
  return host;
};
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const reasonOf = async (work: Promise<unknown>): Promise<string> => {
  const thrown = await work.then(
    () => 'resolved',
    (error: unknown) => error,
  );
  return thrown instanceof CaasError ? thrown.reason : String(thrown);
};

afterEach(async () => {
  await Promise.all(open.splice(0).map((host) => host.close()));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('a database in its own thread', () => {
  test('answers calls in order, typed by the handler module', async () => {
    const host = await aHost();
    const [, body, absent] = await Promise.all([
      host.call('put', [{ id: 'a', body: bytes('one') }]),
      host.call('get', 'a'),
      host.call('get', 'b'),
    ]);
    expect(new TextDecoder().decode(body?.body)).toBe('one');
    expect(absent).toBeUndefined();
  });

  test('migrates from any older schema and keeps what was there', async () => {
    const file = aFile();
    await (await aHost({ file })).close();
    const db = new DatabaseSync(file);
    db.exec(`DROP TABLE note; CREATE TABLE note (id TEXT PRIMARY KEY, body BLOB NOT NULL) STRICT;
      INSERT INTO note VALUES ('old', x'01'); PRAGMA user_version = 1`);
    db.close();
    const host = await aHost({ file });
    expect(await host.call('schema', undefined)).toBe(2);
    expect((await host.call('get', 'old'))?.body).toEqual(new Uint8Array([1]));
  });

  test('refuses a schema newer than it knows, and a file that is no database', async () => {
    const file = aFile();
    await (await aHost({ file })).close();
    const db = new DatabaseSync(file);
    db.exec('PRAGMA user_version = 9');
    db.close();
    expect(await reasonOf(aHost({ file }))).toBe('INTERNAL');
    expect(await reasonOf(aHost({ file: folder }))).toBe('UNAVAILABLE');
  });

  test('answers UNAVAILABLE when the disk is full and works again when it is not', async () => {
    const host = await aHost({ options: { maxPages: 8 } });
    const large = [{ id: 'large', body: new Uint8Array(100_000) }];
    const error = await host.call('put', large).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ reason: 'UNAVAILABLE', retryable: true, details: { engine: 'SQLITE_FULL' } });
    expect((error as CaasError).cause).toBeInstanceOf(Error);
    await host.call('limitPages', 1_000_000);
    await host.call('put', large);
    expect((await host.call('get', 'large'))?.body.byteLength).toBe(100_000);
  });

  test('answers INTERNAL when the statement is wrong, and nothing of the transaction stays', async () => {
    const host = await aHost();
    const twice = [
      { id: 'a', body: bytes('1') },
      { id: 'a', body: bytes('2') },
    ];
    expect(await reasonOf(host.call('put', twice))).toBe('INTERNAL');
    expect(await host.call('get', 'a')).toBeUndefined();
    expect(await reasonOf((host as unknown as SqliteHost<{ nope(): void }>).call('nope', undefined))).toBe('INTERNAL');
  });

  test('rejects what waits when the thread dies, and starts it anew with what was committed', async () => {
    const host = await aHost();
    await host.call('put', [{ id: 'kept', body: bytes('x') }]);
    const waiting = [host.call('die', undefined), host.call('get', 'kept'), host.call('get', 'kept')];
    expect(await Promise.all(waiting.map(reasonOf))).toEqual(Array(3).fill('UNAVAILABLE'));
    const deadline = Date.now() + restartDelayMs * 10;
    let found: { body: Uint8Array } | undefined;
    while (!found && Date.now() < deadline) {
      found = await host.call('get', 'kept').catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(found).toBeDefined();
  });

  test('says of a write without an answer that nobody knows, and of one the engine undid that it was not done', async () => {
    const writes = ['put', 'block', 'die'];
    const slow = await aHost({ writes, commandTimeoutMs: 50 });
    const expired = [slow.call('block', 200), slow.call('get', 'a')];
    expect(await Promise.all(expired.map(reasonOf))).toEqual(['DEADLINE_EXCEEDED', 'UNAVAILABLE']);
    const dying = await aHost({ writes, options: { maxPages: 8 } });
    const large = [{ id: 'large', body: new Uint8Array(100_000) }];
    expect(await reasonOf(dying.call('put', large))).toBe('UNAVAILABLE');
    const lost = [dying.call('die', undefined), dying.call('put', large), dying.call('get', 'a')];
    expect(await Promise.all(lost.map(reasonOf))).toEqual(['DEADLINE_EXCEEDED', 'DEADLINE_EXCEEDED', 'UNAVAILABLE']);
  });

  test('answers UNAVAILABLE when a call takes too long, OVERLOADED when too many wait, expired ones too', async () => {
    const host = await aHost({ commandTimeoutMs: 50, maxPendingCalls: 3 });
    const slow = [host.call('block', 400), host.call('get', 'a'), host.call('get', 'a')];
    expect(await reasonOf(host.call('get', 'a'))).toBe('OVERLOADED');
    expect(await Promise.all(slow.map(reasonOf))).toEqual(Array(3).fill('UNAVAILABLE'));
    expect(await reasonOf(host.call('get', 'a'))).toBe('OVERLOADED');
    const deadline = Date.now() + 5_000;
    while ((await reasonOf(host.call('get', 'a'))) !== 'resolved') {
      expect(Date.now()).toBeLessThan(deadline);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  });

  test('finishes its calls at close, refuses later ones, and leaves one whole file', async () => {
    const file = aFile();
    const host = await aHost({ file });
    const last = host.call('put', [{ id: 'last', body: bytes('x') }]);
    await Promise.all([host.close(), host.close()]);
    await last;
    expect(await reasonOf(host.call('get', 'last'))).toBe('DRAINING');
    const db = new DatabaseSync(file, { readOnly: true });
    expect(db.prepare('SELECT count(*) AS n FROM note').get()).toMatchObject({ n: 1 });
    db.close();
  });

  test('an exclusive file opens once at a time', async () => {
    const file = aFile();
    const first = await aHost({ file, exclusive: true });
    expect(await reasonOf(aHost({ file, exclusive: true, busyTimeoutMs: 10 }))).toBe('UNAVAILABLE');
    await first.close();
    await aHost({ file, exclusive: true });
  });
});
