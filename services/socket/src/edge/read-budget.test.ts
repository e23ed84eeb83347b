import { describe, expect, test } from '@jest/globals';
import { type Hold, ReadBudget, type Reader } from './read-budget.ts';

const bounds = { maxConnectionReadBytes: 20, maxUserReadBytes: 40, maxTenantReadBytes: 100, maxReadBytes: 100 };

class Waiter implements Reader {
  heldBytes = 0;
  woken = 0;
  readonly tenantId: string;
  readonly user: string;
  constructor(user: string, tenantId = 't') {
    this.user = user;
    this.tenantId = tenantId;
  }
  wake(): void {
    this.woken++;
  }
}

describe('memory for answers', () => {
  test('is bounded for a connection, a user and the node, and who waits is woken when there is room', () => {
    const budget = new ReadBudget(bounds);
    const take = (reader: Reader): Hold => {
      const hold = budget.take(reader, 10);
      if (!hold) throw new Error('no room');
      return hold;
    };
    const [one, two, three] = [new Waiter('a'), new Waiter('a'), new Waiter('a')];
    const first = [take(one), take(one)];
    expect(budget.take(one, 10)).toBeUndefined();
    const second = [take(two), take(two)];
    expect(budget.take(three, 10)).toBeUndefined();
    const others = ['b', 'c', 'd'].map((user) => new Waiter(user));
    const holds = others.flatMap((reader) => [take(reader), take(reader)]);
    expect(budget.heldBytes).toBe(100);
    expect(budget.pressed('t')).toBe(false);
    const late = new Waiter('e');
    expect(budget.take(late, 10)).toBeUndefined();
    expect(budget.pressed('t')).toBe(true);

    first[0]?.settle(3);
    expect([one.woken, three.woken, late.woken]).toEqual([1, 1, 1]);
    expect(budget.take(late, 10)).toBeUndefined();
    first[0]?.release();
    first[0]?.release();
    expect(budget.take(late, 10)).toBeDefined();
    for (const hold of [...first, ...second, ...holds]) hold.release();
    expect(budget.heldBytes).toBe(10);
    expect(budget.pressed('t')).toBe(false);
    expect([one, two, three, ...others].map((reader) => reader.heldBytes)).toEqual(Array(6).fill(0));
  });

  test('goes in turn to those who wait, and one answer wakes no more of them than it makes room for', () => {
    const budget = new ReadBudget(bounds);
    const served: number[] = [];
    const holds: Hold[] = [];
    let wakes = 0;
    const readers = Array.from({ length: 1_000 }, (_, i) => {
      let wants = 1;
      const reader: Reader = {
        tenantId: 't',
        user: `u${i}`,
        heldBytes: 0,
        wake: () => {
          wakes++;
          while (wants > 0) {
            const hold = budget.take(reader, 9); // of 100: never quite full
            if (!hold) return;
            wants--;
            served.push(i);
            holds.push(hold);
          }
        },
      };
      return reader;
    });
    for (const reader of readers) reader.wake();
    wakes = 0;
    for (let hold = holds.shift(); hold; hold = holds.shift()) hold.release();
    expect(served).toEqual(readers.map((_, i) => i));
    expect(wakes).toBeLessThan(3 * readers.length);
    expect(budget.pressed('t')).toBe(false);
  });

  test('has room for one answer, however great it is', () => {
    const budget = new ReadBudget(bounds);
    expect(budget.take(new Waiter('a'), 1_000)).toBeDefined();
    expect(budget.take(new Waiter('b'), 1)).toBeUndefined();
  });

  test('is bounded for a tenant, and what a tenant waits for is no pressure on others', () => {
    const budget = new ReadBudget({ ...bounds, maxTenantReadBytes: 50 });
    const taken = (tenantId: string): number =>
      Array.from({ length: 100 }, (_, i) => budget.take(new Waiter(`${tenantId}${i}`, tenantId), 10)).filter(Boolean)
        .length;
    expect(taken('greedy')).toBe(5);
    expect([budget.pressed('greedy'), budget.pressed('other')]).toEqual([true, false]);
    expect(taken('other')).toBe(5);
    expect(taken('third')).toBe(0);
    expect(['greedy', 'other', 'third', 'fourth'].map((tenantId) => budget.pressed(tenantId))).toEqual(
      Array(4).fill(true),
    );
  });

  test('goes to tenants in turn, and to nobody again before the others who wait, the same user included', () => {
    const budget = new ReadBudget({ ...bounds, maxTenantReadBytes: 60 });
    const served: string[] = [];
    const holds: Hold[] = [];
    const reader = (tenantId: string, user: string, wants: number): Reader => {
      const self: Reader = {
        tenantId,
        user,
        heldBytes: 0,
        wake: () => {
          for (; wants > 0; wants--) {
            const hold = budget.take(self, 20);
            if (!hold) return;
            served.push(tenantId);
            holds.push(hold);
          }
        },
      };
      return self;
    };
    // Each connection has many reads to go, and takes each answer at once: only turns keep others from waiting for ever.
    for (let i = 0; i < 20; i++) reader('greedy', `g${i % 3}`, 50).wake();
    reader('large', 'l', 50).wake();
    reader('large', 'm', 50).wake();
    const before = served.length;
    for (const tenantId of ['small', 'smaller']) reader(tenantId, tenantId, 1).wake();
    for (let i = 0; i < 8; i++) holds.shift()?.release();
    expect(served.slice(before).toSorted()).toEqual(expect.arrayContaining(['greedy', 'large', 'small', 'smaller']));
    expect(served.slice(before, before + 4)).toEqual(expect.arrayContaining(['small', 'smaller']));
    for (let hold = holds.shift(); hold; hold = holds.shift()) hold.release();
    expect(served.length).toBe(20 * 50 + 2 * 50 + 2);
    expect([budget.heldBytes, budget.pressed('greedy')]).toEqual([0, false]);
  });
});
