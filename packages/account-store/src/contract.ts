/** What every adapter of the account store has to do. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type AccountStore, maxMetadataEntries, maxSessionsPerCall, maxUsersPerCall, type Session } from './port.ts';

export interface AccountStoreUnderTest {
  store: AccountStore;
  /** Closes the store and opens the same data again. */
  reopen(): Promise<AccountStore>;
}

const nowMs = 1_700_000_000_000;
let counter = 0;
/** An id no other test uses, so that all tests can share one store. */
const fresh = (kind: string): string => `${kind}-${++counter}`;

const aSession = (over: Partial<Session> = {}): Session => ({
  tenantId: 't1',
  sessionId: fresh('session'),
  userId: fresh('user'),
  appId: 'app1',
  scopes: ['chat'],
  device: 'phone',
  remoteAddress: '127.0.0.1',
  createdAtMs: nowMs,
  refreshedAtMs: nowMs,
  expiresAtMs: nowMs + 1000,
  generation: 1,
  ...over,
});

export const accountStoreContract = (name: string, open: () => Promise<AccountStoreUnderTest>): void => {
  describe(`account store on ${name}`, () => {
    let under: AccountStoreUnderTest;
    let store: AccountStore;
    beforeAll(async () => {
      under = await open();
      store = under.store;
    });
    afterAll(() => store.close());

    describe('tenants and apps', () => {
      test('a tenant id is given once and its record is kept as it was', async () => {
        const tenant = {
          tenantId: fresh('t'),
          name: 'Acme',
          createdAtMs: nowMs,
          limits: { maxTextBytes: 5 },
          allowedOrigins: ['https://a.test'],
        };
        const rivals = [tenant, { ...tenant, name: 'Other' }];
        const made = await Promise.all(rivals.map((rival) => store.tenants.create(rival)));
        expect(made.toSorted()).toEqual([false, true]);
        expect(await store.tenants.create(tenant)).toBe(false);
        expect(await store.tenants.get(tenant.tenantId)).toEqual(rivals[made.indexOf(true)]);
        expect(await store.tenants.get(fresh('t'))).toBeUndefined();
      });

      test('of two replacements of an app’s secrets that saw the same version one wins', async () => {
        const first = { hash: 'h1', createdAtMs: nowMs };
        const app = {
          appId: fresh('app'),
          tenantId: 't1',
          name: 'web',
          createdAtMs: nowMs,
          secrets: [first],
        };
        expect(await store.apps.create(app)).toBe(true);
        expect(await store.apps.create(app)).toBe(false);
        expect(await store.apps.get(app.appId)).toEqual({ ...app, version: 1 });
        const next = (hash: string) => [
          { hash, createdAtMs: nowMs + 1 },
          { ...first, expiresAtMs: nowMs + 9 },
        ];
        const won = await Promise.all(['h2', 'h3'].map((h) => store.apps.replaceSecrets(app.appId, 1, next(h))));
        expect(won.filter(Boolean)).toHaveLength(1);
        const stored = await store.apps.get(app.appId);
        expect(stored).toEqual({ ...app, version: 2, secrets: next(won[0] ? 'h2' : 'h3') });
        expect(await store.apps.replaceSecrets(fresh('app'), 1, [])).toBe(false);
        await expect(store.apps.replaceSecrets(app.appId, 2, [...next('x'), ...next('y')])).rejects.toMatchObject({
          reason: 'INVALID_ARGUMENT',
        });
      });
    });

    describe('users', () => {
      test('concurrent first sights of a user make one user', async () => {
        const externalId = fresh('ext');
        const seen = await Promise.all(
          Array.from({ length: 8 }, () => store.users.upsert({ tenantId: 't1', externalId, nowMs })),
        );
        expect(seen.filter((s) => s.created)).toHaveLength(1);
        expect(new Set(seen.map((s) => s.user.userId)).size).toBe(1);
      });

      test('a display name stays when none is given and changes when one is', async () => {
        const externalId = fresh('ext');
        const first = await store.users.upsert({ tenantId: 't1', externalId, displayName: 'Ann', nowMs });
        const again = await store.users.upsert({ tenantId: 't1', externalId, nowMs: nowMs + 5 });
        expect(again).toEqual({ user: first.user, created: false });
        const renamed = await store.users.upsert({ tenantId: 't1', externalId, displayName: 'Anna', nowMs: nowMs + 6 });
        expect(renamed.user).toEqual({ ...first.user, displayName: 'Anna', updatedAtMs: nowMs + 6 });
      });

      test('who is erased is an id that may not sign in, and takes no new name', async () => {
        const externalId = fresh('ext');
        const { user } = await store.users.upsert({ tenantId: 't1', externalId, displayName: 'Ann', nowMs });
        const { userId } = user;
        await store.users.updateProfile('t1', userId, { avatarUrl: 'https://a.test/x', metadata: { a: 'b' } }, nowMs);
        expect(await store.users.erase('t2', userId, nowMs)).toBe(false);
        for (const at of [nowMs + 1, nowMs + 2]) {
          expect(await store.users.erase('t1', userId, at)).toBe(true);
          const left = { tenantId: 't1', userId, createdAtMs: nowMs, updatedAtMs: at, deactivated: true };
          const nothing = { externalId: '', displayName: '', avatarUrl: '', metadata: {} };
          expect(await store.users.get('t1', userId)).toEqual({ ...left, ...nothing });
          const again = await store.users.upsert({ tenantId: 't1', externalId, displayName: 'Ann', nowMs: at });
          expect(again).toEqual({ user: { ...left, ...nothing }, created: false });
        }
      });

      test('one external id is two users in two tenants', async () => {
        const externalId = fresh('ext');
        const a = await store.users.upsert({ tenantId: 't1', externalId, nowMs });
        const b = await store.users.upsert({ tenantId: 't2', externalId, nowMs });
        expect(a.user.userId).not.toBe(b.user.userId);
        expect(await store.users.get('t2', a.user.userId)).toBeUndefined();
      });

      test('many users come in the order asked for, with gaps for the unknown', async () => {
        const [idA, idB] = [fresh('ext'), fresh('ext')];
        const { user: a } = await store.users.upsert({ tenantId: 't1', externalId: idA, nowMs });
        const { user: b } = await store.users.upsert({ tenantId: 't1', externalId: idB, nowMs });
        expect(await store.users.getMany('t1', [b.userId, 'nobody', a.userId])).toEqual([b, undefined, a]);
        expect(await store.users.getByExternalIds('t1', [idB, 'nobody', idA])).toEqual([b, undefined, a]);
        const tooMany = Array.from({ length: maxUsersPerCall + 1 }, () => 'x');
        await expect(store.users.getMany('t1', tooMany)).rejects.toMatchObject({ reason: 'INVALID_ARGUMENT' });
      });

      test('a profile change touches what it names, within the limits of metadata', async () => {
        const { user } = await store.users.upsert({
          tenantId: 't1',
          externalId: fresh('ext'),
          displayName: 'Bo',
          nowMs,
        });
        const change = { metadata: { team: 'red' }, deactivated: true };
        const changed = await store.users.updateProfile('t1', user.userId, change, nowMs + 1);
        expect(changed).toEqual({ ...user, ...change, updatedAtMs: nowMs + 1 });
        expect(await store.users.get('t1', user.userId)).toEqual(changed);
        expect(await store.users.updateProfile('t2', user.userId, change, nowMs)).toBeUndefined();
        const entries = Array.from({ length: maxMetadataEntries + 1 }, (_, i) => [`k${i}`, 'v']);
        for (const metadata of [Object.fromEntries(entries), { big: 'x'.repeat(8192) }]) {
          await expect(store.users.updateProfile('t1', user.userId, { metadata }, nowMs)).rejects.toMatchObject({
            reason: 'INVALID_ARGUMENT',
          });
        }
      });
    });

    describe('sessions', () => {
      test('a session is read by tenant and id, and its id is given once', async () => {
        const session = aSession();
        expect(await store.sessions.create(session)).toBe(true);
        expect(await store.sessions.create(session)).toBe(false);
        const { sessionId } = session;
        const read = await store.sessions.getMany([
          { tenantId: 't2', sessionId },
          { tenantId: 't1', sessionId },
        ]);
        expect(read).toEqual([undefined, session]);
        const tooMany = Array.from({ length: maxSessionsPerCall + 1 }, () => session);
        await expect(store.sessions.getMany(tooMany)).rejects.toMatchObject({ reason: 'INVALID_ARGUMENT' });
      });

      test('live sessions are listed newest first, without ended and expired ones', async () => {
        const userId = fresh('user');
        const make = async (over: Partial<Session>): Promise<Session> => {
          const session = aSession({ userId, ...over });
          await store.sessions.create(session);
          return session;
        };
        const old = await make({ createdAtMs: nowMs - 10 });
        const ended = await make({});
        await make({ expiresAtMs: nowMs });
        const newest = await make({ createdAtMs: nowMs + 10 });
        await store.sessions.end([ended], nowMs, 'LOGOUT');
        const query = { tenantId: 't1', userId, nowMs, skip: 0, limit: 10 };
        expect(await store.sessions.listLive(query)).toEqual([newest, old]);
        expect(await store.sessions.listLive({ ...query, skip: 1, limit: 1 })).toEqual([old]);
        expect(await store.sessions.listLive({ ...query, tenantId: 't2' })).toEqual([]);
      });

      test('of concurrent advances from one generation exactly one gets the session', async () => {
        const session = aSession();
        await store.sessions.create(session);
        const to = { refreshedAtMs: nowMs + 1, expiresAtMs: nowMs + 5000 };
        const got = await Promise.all(Array.from({ length: 10 }, () => store.sessions.advance(session, 1, to)));
        const winners = got.filter((s) => s !== undefined);
        expect(winners).toEqual([{ ...session, ...to, generation: 2 }]);
        expect(await store.sessions.advance(session, 2, to)).toMatchObject({ generation: 3 });
      });

      test('an ended or expired session does not advance', async () => {
        const [ended, expired] = [aSession(), aSession()];
        await Promise.all([ended, expired].map((s) => store.sessions.create(s)));
        await store.sessions.end([ended], nowMs, 'LOGOUT');
        const to = { refreshedAtMs: nowMs + 1, expiresAtMs: nowMs + 5000 };
        expect(await store.sessions.advance(ended, 1, to)).toBeUndefined();
        const late = { ...to, refreshedAtMs: expired.expiresAtMs };
        expect(await store.sessions.advance(expired, 1, late)).toBeUndefined();
      });

      test('each end is reported once and never undone', async () => {
        const [session, other] = [aSession(), aSession()];
        for (const each of [session, other]) await store.sessions.create(each);
        const key = { tenantId: session.tenantId, sessionId: session.sessionId };
        const reports = await Promise.all([
          store.sessions.end([key, { tenantId: 't1', sessionId: 'nobody' }], nowMs + 1, 'LOGOUT'),
          store.sessions.end([key], nowMs + 2, 'OPERATOR'),
        ]);
        expect(reports.flat()).toEqual([{ ...key, userId: session.userId }]);
        const [read] = await store.sessions.getMany([key]);
        expect(read).toMatchObject(reports[0]?.length ? { endReason: 'LOGOUT' } : { endReason: 'OPERATOR' });
        expect(await store.sessions.end([{ ...key, tenantId: 't2' }], nowMs, 'LOGOUT')).toEqual([]);
        const { tenantId, sessionId, userId } = other;
        expect(await store.sessions.end([key, other], nowMs, 'LOGOUT')).toEqual([{ tenantId, sessionId, userId }]);
      });

      test('ended sessions are paged in order of their end without a gap', async () => {
        const base = nowMs + 100_000;
        const sessions = Array.from({ length: 5 }, () => aSession());
        await Promise.all(sessions.map((s) => store.sessions.create(s)));
        await Promise.all(sessions.map((s, i) => store.sessions.end([s], base + Math.floor(i / 3), 'LOGOUT')));
        const seen: string[] = [];
        let cursor = { endedAtMs: base, sessionId: '' };
        for (;;) {
          const page = await store.sessions.endedAfter(cursor, 2);
          const last = page.at(-1);
          if (!last) break;
          seen.push(...page.map((s) => s.sessionId));
          cursor = { endedAtMs: last.endedAtMs, sessionId: last.sessionId };
        }
        expect(await store.sessions.endedAfter({ endedAtMs: base + 1, sessionId: '\uffff' }, 9)).toEqual([]);
        expect(seen.toSorted()).toEqual(sessions.map((s) => s.sessionId).toSorted());
        expect(seen.slice(0, 3).toSorted()).toEqual(
          sessions
            .slice(0, 3)
            .map((s) => s.sessionId)
            .toSorted(),
        );
      });

      test('all of a user’s sessions are listed by id, and removed by name', async () => {
        const userId = fresh('user');
        const sessions = [aSession({ userId }), aSession({ userId, expiresAtMs: 1 }), aSession({ userId })];
        for (const session of [...sessions, aSession(), aSession({ userId, tenantId: 't2' })])
          await store.sessions.create(session);
        const [ended] = sessions as [Session];
        await store.sessions.end([ended], nowMs, 'OPERATOR');
        const user = { tenantId: 't1', userId };
        const ids = sessions.map(({ sessionId }) => sessionId).toSorted();
        const first = await store.sessions.ofUser(user, '', 2);
        const rest = await store.sessions.ofUser(user, first.at(-1)?.sessionId ?? '', 2);
        expect([...first, ...rest].map(({ sessionId }) => sessionId)).toEqual(ids);
        expect([...first, ...rest].find(({ sessionId }) => sessionId === ended.sessionId)).toMatchObject({
          endedAtMs: nowMs,
        });
        expect(await store.sessions.remove([...sessions, { tenantId: 't1', sessionId: 'none' }])).toBe(3);
        expect(await store.sessions.ofUser(user, '', 2)).toEqual([]);
        expect(await store.sessions.ofUser({ tenantId: 't2', userId }, '', 2)).toHaveLength(1);
      });

      test('purge removes what ended or expired before a time and nothing else', async () => {
        const old = nowMs - 1_000_000;
        const [ended, expired, live] = [
          aSession(),
          aSession({ expiresAtMs: old - 1 }),
          aSession({ expiresAtMs: nowMs + 1 }),
        ];
        await Promise.all([ended, expired, live].map((s) => store.sessions.create(s)));
        await store.sessions.end([ended], old - 1, 'LOGOUT');
        expect(await store.sessions.purge(old, 1)).toBe(1);
        expect(await store.sessions.purge(old, 10)).toBe(1);
        expect(await store.sessions.purge(old, 10)).toBe(0);
        expect(await store.sessions.getMany([ended, expired, live])).toEqual([undefined, undefined, live]);
      });
    });

    test('names are told apart whatever their characters, and keep them', async () => {
      const odd = ['a.b', '$set', '__proto__', 'é👋', 'a\u0000b', 'a', 'x'.repeat(1_000)];
      const tenantId = fresh('tenant');
      const sessions = odd.map((sessionId) => aSession({ tenantId, sessionId, userId: 'u' }));
      for (const session of sessions) await store.sessions.create(session);
      const cut = { tenantId: `${tenantId}a`, sessionId: '.b' };
      expect(await store.sessions.getMany([...sessions, cut])).toEqual([...sessions, undefined]);
      const { user } = await store.users.upsert({ tenantId, externalId: 'a.$b', displayName: '$x', nowMs });
      const metadata = { 'a.b': '1', $set: '2', 'é\u0000': '', '': 'none' };
      const changed = await store.users.updateProfile(tenantId, user.userId, { metadata }, nowMs);
      expect(changed).toEqual({ ...user, metadata });
      expect(await store.users.getByExternalIds(tenantId, ['a.$b', 'a'])).toEqual([changed, undefined]);
    });

    describe('signing keys', () => {
      test('are listed newest first and removed by id', async () => {
        const key = (createdAtMs: number) => ({
          keyId: fresh('key'),
          publicJwk: '{}',
          sealedPrivateKey: new Uint8Array([1, 2, 3]),
          createdAtMs,
        });
        const [a, b] = [key(nowMs), key(nowMs + 1)];
        expect(await store.signingKeys.add(a)).toBe(true);
        expect(await store.signingKeys.add(b)).toBe(true);
        expect(await store.signingKeys.add({ ...b, publicJwk: '{"x":1}' })).toBe(false);
        expect(await store.signingKeys.list()).toEqual([b, a]);
        await store.signingKeys.remove(a.keyId);
        expect(await store.signingKeys.list()).toEqual([b]);
      });
    });

    test('everything is still there after the store was closed and opened again', async () => {
      const session = aSession();
      await store.sessions.create(session);
      const { user } = await store.users.upsert({
        tenantId: 't1',
        externalId: fresh('ext'),
        displayName: 'Kim',
        nowMs,
      });
      const keys = await store.signingKeys.list();
      store = await under.reopen();
      expect(await store.sessions.getMany([session])).toEqual([session]);
      expect(await store.users.get('t1', user.userId)).toEqual(user);
      expect(await store.signingKeys.list()).toEqual(keys);
    });
  });
};
