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

  test('has room for one answer, however great it is', () => {
    const budget = new ReadBudget(bounds);
    expect(budget.take(new Waiter('a'), 1_000)).toBeDefined();
    expect(budget.take(new Waiter('b'), 1)).toBeUndefined();
  });
});
