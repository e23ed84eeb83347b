import { describe, expect, test } from '@jest/globals';
import { type Hold, ReadBudget, type Reader } from './read-budget.ts';

const bounds = { maxConnectionReadBytes: 20, maxUserReadBytes: 40, maxReadBytes: 100 };

class Waiter implements Reader {
  heldBytes = 0;
  woken = 0;
  readonly user: string;
  constructor(user: string) {
    this.user = user;
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
    expect(budget.pressed).toBe(false);
    const late = new Waiter('e');
    expect(budget.take(late, 10)).toBeUndefined();
    expect(budget.pressed).toBe(true);

    first[0]?.settle(3);
    expect([one.woken, three.woken, late.woken]).toEqual([1, 1, 1]);
    expect(budget.take(late, 10)).toBeUndefined();
    first[0]?.release();
    first[0]?.release();
    expect(budget.take(late, 10)).toBeDefined();
    for (const hold of [...first, ...second, ...holds]) hold.release();
    expect(budget.heldBytes).toBe(10);
    expect(budget.pressed).toBe(false);
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
    expect(budget.pressed).toBe(false);
  });

  test('has room for one answer, however great it is', () => {
    const budget = new ReadBudget(bounds);
    expect(budget.take(new Waiter('a'), 1_000)).toBeDefined();
    expect(budget.take(new Waiter('b'), 1)).toBeUndefined();
  });
});
