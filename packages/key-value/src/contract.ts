/** The suites every adapter of the three ports passes. Each `open` gives an empty one. */
import { CaasError } from '@caas/kit';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { KeyValue, NodeInbox, RateLimits } from './port.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array | undefined): string | undefined => value && new TextDecoder().decode(value);
const minuteMs = 60_000;

/** Repeats `check` until it passes; throws what it threw last after 5 s. */
const eventually = async (check: () => void | Promise<void>): Promise<void> => {
  const deadline = Date.now() + 5_000;
  for (;;) {
    try {
      await check();
      return;
    } catch (thrown) {
      if (Date.now() > deadline) throw thrown;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
};

const reasonOf = async (work: Promise<unknown>): Promise<string> => {
  const thrown = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  return thrown instanceof CaasError ? thrown.reason : String(thrown);
};

export const keyValueContract = (name: string, open: () => Promise<KeyValue>): void => {
  describe(`${name} is a key-value store`, () => {
    let store: KeyValue;
    beforeEach(async () => {
      store = await open();
    });
    afterEach(() => store.close());

    test('gives back what was set, any bytes, until it is set anew', async () => {
      const all = Uint8Array.from({ length: 256 }, (_, i) => i);
      await store.set('t1:a', all, minuteMs);
      expect(new Uint8Array((await store.get('t1:a')) ?? [])).toEqual(all);
      await store.set('t1:a', bytes('new'), minuteMs);
      await store.set('t1:empty', bytes(''), minuteMs);
      expect((await store.getMany(['t1:a', 't1:none', 't1:empty'])).map(text)).toEqual(['new', undefined, '']);
      expect(await store.getMany([])).toEqual([]);
    });

    test('holds its own copy of a value', async () => {
      const value = bytes('before');
      await store.set('k', value, minuteMs);
      value.fill(0);
      expect(text(await store.get('k'))).toBe('before');
    });

    test('forgets a key after its time to live, which each set renews', async () => {
      await store.set('short', bytes('x'), 60);
      await store.set('renewed', bytes('x'), 60);
      await store.set('renewed', bytes('y'), minuteMs);
      await store.addToSets([{ key: 'set', member: 'm' }], 60);
      await eventually(async () => expect(await store.get('short')).toBeUndefined());
      await eventually(async () => expect(await store.membersOf(['set'])).toEqual([[]]));
      expect(text(await store.get('renewed'))).toBe('y');
    });

    test('forgets a member of a set after its own time to live, whatever becomes of the others', async () => {
      const add = (member: string, ttlMs: number): Promise<boolean[]> =>
        store.addToSets([{ key: 'set', member }], ttlMs);
      for (const member of ['dead', 'renewed', 'cut short', 'last'])
        await add(member, member === 'cut short' ? minuteMs : 300);
      expect(await add('renewed', minuteMs)).toEqual([false]);
      expect(await add('cut short', 300)).toEqual([false]);
      await eventually(async () => {
        await add('living', minuteMs);
        expect((await store.membersOf(['set']))[0]?.sort()).toEqual(['living', 'renewed']);
      });
      await add('after', 1);
      expect((await store.membersOf(['set']))[0]).toEqual(expect.arrayContaining(['living', 'renewed']));
      expect(await add('dead', minuteMs)).toEqual([true]);
      await eventually(async () =>
        expect((await store.membersOf(['set']))[0]?.sort()).toEqual(['dead', 'living', 'renewed']),
      );
    });

    test('adds to and removes from sets, and says which members were new', async () => {
      const entries = [
        { key: 's1', member: 'a' },
        { key: 's1', member: 'b' },
        { key: 's2', member: 'a' },
        { key: 's1', member: 'a' },
      ];
      expect(await store.addToSets(entries, minuteMs)).toEqual([true, true, true, false]);
      const [s2, none, s1] = await store.membersOf(['s2', 'none', 's1']);
      expect([s2, none, s1?.sort()]).toEqual([['a'], [], ['a', 'b']]);
      await store.removeFromSets([...entries.slice(1), { key: 'none', member: 'x' }, { key: 's1', member: 'x' }]);
      expect(await store.membersOf(['s1', 's2'])).toEqual([[], []]);
      expect(await store.addToSets([{ key: 's1', member: 'a' }], minuteMs)).toEqual([true]);
      expect(await store.addToSets([], minuteMs)).toEqual([]);
      expect(await store.membersOf([])).toEqual([]);
    });

    test('refuses a time to live that is none', async () => {
      expect(await reasonOf(store.set('k', bytes('x'), 0))).toBe('INVALID_ARGUMENT');
      expect(await reasonOf(store.set('k', bytes('x'), Number.NaN))).toBe('INVALID_ARGUMENT');
      expect(await reasonOf(store.addToSets([{ key: 'k', member: 'm' }], -1))).toBe('INVALID_ARGUMENT');
      expect(await store.get('k')).toBeUndefined();
    });

    test('refuses after close, which may be called twice', async () => {
      await store.close();
      await store.close();
      expect(await reasonOf(store.get('k'))).toBe('DRAINING');
      expect(await reasonOf(store.set('k', bytes('x'), minuteMs))).toBe('DRAINING');
    });
  });
};

export const nodeInboxContract = (name: string, open: () => Promise<NodeInbox>): void => {
  describe(`${name} is a node inbox`, () => {
    let inbox: NodeInbox;
    beforeEach(async () => {
      inbox = await open();
    });
    afterEach(() => inbox.close());

    test('hands a node its envelopes in the order sent, never within the call', async () => {
      const one: string[] = [];
      const two: string[] = [];
      await inbox.listen('node-1', (envelope) => one.push(text(envelope) as string));
      await inbox.listen('node-2', (envelope) => two.push(text(envelope) as string));
      const sent = Array.from({ length: 200 }, (_, i) => `e${i}`);
      const sends = sent.map((envelope) => inbox.send('node-1', bytes(envelope)));
      expect(one).toEqual([]);
      await Promise.all([...sends, inbox.send('node-2', bytes('other'))]);
      await eventually(() => expect(one).toEqual(sent));
      await eventually(() => expect(two).toEqual(['other']));
    });

    test('drops what is sent to a node nobody listens as', async () => {
      await inbox.send('nobody', bytes('lost'));
      const heard: string[] = [];
      const stop = await inbox.listen('nobody', (envelope) => heard.push(text(envelope) as string));
      await inbox.send('nobody', bytes('first'));
      await eventually(() => expect(heard).toEqual(['first']));
      await stop();
      await inbox.send('nobody', bytes('late'));
      await inbox.listen('nobody', (envelope) => heard.push(text(envelope) as string));
      await inbox.send('nobody', bytes('second'));
      await eventually(() => expect(heard).toEqual(['first', 'second']));
    });

    test('a node that comes back takes over from the listener it left behind', async () => {
      const ghost: string[] = [];
      const node: string[] = [];
      const stopGhost = await inbox.listen('node-1', (envelope) => ghost.push(text(envelope) as string));
      await inbox.listen('node-1', (envelope) => node.push(text(envelope) as string));
      await stopGhost();
      await inbox.send('node-1', bytes('x'));
      await eventually(() => expect(node).toEqual(['x']));
      expect(ghost).toEqual([]);
    });

    test('goes on when a listener throws', async () => {
      const heard: string[] = [];
      await inbox.listen('node-1', (envelope) => {
        heard.push(text(envelope) as string);
        throw new Error('listener failed');
      });
      await inbox.send('node-1', bytes('a'));
      await inbox.send('node-1', bytes('b'));
      await eventually(() => expect(heard).toEqual(['a', 'b']));
    });

    test('takes an envelope of 1 MiB, refuses a larger one, and refuses after close', async () => {
      let size = 0;
      await inbox.listen('node-1', (envelope) => {
        size = envelope.byteLength;
      });
      await inbox.send('node-1', new Uint8Array(1024 * 1024));
      await eventually(() => expect(size).toBe(1024 * 1024));
      expect(await reasonOf(inbox.send('node-1', new Uint8Array(1024 * 1024 + 1)))).toBe('INVALID_ARGUMENT');
      await inbox.close();
      expect(await reasonOf(inbox.send('node-1', bytes('x')))).toBe('DRAINING');
    });
  });
};

export const rateLimitsContract = (name: string, open: () => Promise<RateLimits>): void => {
  describe(`${name} counts rates`, () => {
    let limits: RateLimits;
    beforeEach(async () => {
      limits = await open();
    });
    afterEach(() => limits.close());
    const rule = { name: 'sends', points: 3, windowMs: minuteMs };

    test('allows as many points as the rule has within a window, and says what is left and when it resets', async () => {
      const verdicts = [];
      for (let i = 0; i < 4; i += 1) verdicts.push(await limits.take(rule, 't1:u1'));
      expect(verdicts.map((v) => [v.allowed, v.remaining])).toEqual([
        [true, 2],
        [true, 1],
        [true, 0],
        [false, 0],
      ]);
      for (const { resetMs } of verdicts) {
        expect(resetMs).toBeGreaterThan(minuteMs - 5_000);
        expect(resetMs).toBeLessThanOrEqual(minuteMs);
      }
    });

    test('keeps keys and rules apart', async () => {
      await limits.take(rule, 't1:u1', 3);
      expect(await limits.take(rule, 't1:u1')).toMatchObject({ allowed: false });
      expect(await limits.take(rule, 't1:u2')).toMatchObject({ allowed: true, remaining: 2 });
      expect(await limits.take({ ...rule, name: 'frames' }, 't1:u1')).toMatchObject({ allowed: true });
    });

    test('takes several points at once, and not a part of them', async () => {
      expect(await limits.take(rule, 'k', 2)).toMatchObject({ allowed: true, remaining: 1 });
      expect(await limits.take(rule, 'k', 2)).toMatchObject({ allowed: false, remaining: 0 });
    });

    test('begins anew when the window is over', async () => {
      const short = { name: 'short', points: 1, windowMs: 100 };
      await limits.take(short, 'k');
      expect(await limits.take(short, 'k')).toMatchObject({ allowed: false });
      await eventually(async () => expect(await limits.take(short, 'k')).toMatchObject({ allowed: true }));
    });

    test('holds a changed limit at once', async () => {
      await limits.take(rule, 'k', 3);
      expect(await limits.take({ ...rule, points: 10 }, 'k')).toMatchObject({ allowed: true, remaining: 6 });
    });

    test('many callers at once take no more than there is', async () => {
      const verdicts = await Promise.all(Array.from({ length: 20 }, () => limits.take(rule, 'k')));
      expect(verdicts.filter((verdict) => verdict.allowed)).toHaveLength(3);
    });
  });
};
