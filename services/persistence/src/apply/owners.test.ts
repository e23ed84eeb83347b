import { Role } from '@caas/proto/caas/events/v1/content';
import { afterEach, describe, expect, test } from '@jest/globals';
import { aConversation, toRecord } from '../testing/builders.ts';
import { Bench, until } from '../testing/harness.ts';
import { aRoom, c, type Room, takes } from '../testing/room.ts';

describe('the owners of a conversation', () => {
  const twoOwners = (): Room => {
    const room = aRoom();
    takes(room, c.promoted('bob', Role.ROLE_OWNER));
    expect(room.head?.ownerCount).toBe(2);
    return room;
  };

  test('who demote each other in the same moment leave one: the first demotion stands', () => {
    const room = twoOwners();
    const outcome = takes(room, c.promoted('bob', Role.ROLE_MEMBER), c.promoted('ann', Role.ROLE_MEMBER));
    expect(room.owners()).toEqual(['ann']);
    expect(room.head?.ownerCount).toBe(1);
    expect(outcome.participants.map((p) => p.userId)).toEqual(['bob']);
  });

  test('are as many after an attempt that never committed as without it', () => {
    const room = twoOwners();
    const records = room.records([
      ...[c.promoted('ann', Role.ROLE_ADMIN), c.promoted('cyd', Role.ROLE_OWNER), c.removed(['bob'], 'bob')],
      ...[c.added(['bob'], Role.ROLE_OWNER), c.removed(['cyd'], 'cyd')],
    ]);
    room.crash(records);
    room.crash(records.slice(0, 3), 'some');
    room.take(records.slice(0, 2));
    expect(room.head?.ownerCount).toBe(2);
    room.take(records);
    expect([room.head?.ownerCount, room.owners()]).toEqual([1, ['bob']]);
  });

  test('are followed by who had joined first, whatever an attempt that never committed wrote of it', () => {
    const room = aRoom();
    const records = room.records([
      ...[c.removed(['ann'], 'ann'), c.promoted('cyd', Role.ROLE_OWNER), c.removed(['bob'], 'bob'), c.added(['bob'])],
    ]);
    room.crash(records);
    room.take(records.slice(0, 1));
    expect(room.participants.get('bob')).toMatchObject({ role: Role.ROLE_OWNER });
  });

  describe('in a store', () => {
    const open: Bench[] = [];
    afterEach(async () => {
      await Promise.all(open.splice(0).map((bench) => bench.close()));
    });

    const big = aConversation('big');
    const at = { tenantId: 't1', conversationId: 'big' };
    const ids = Array.from({ length: 1_100 }, (_, i) => `m${String(i).padStart(5, '0')}`);
    const headOf = async (bench: Bench) => (await bench.store.conversations.getMany([at]))[0];
    const countIs = (bench: Bench, memberCount: number) =>
      until(async () => (await headOf(bench))?.memberCount === memberCount);
    const ownersOf = async (bench: Bench): Promise<string[]> => {
      const owners: string[] = [];
      for (let afterUserId = ''; ; ) {
        const page = await bench.store.participants.ofConversation(at, { afterUserId, limit: 1_000, activeOnly: true });
        owners.push(...page.filter((p) => p.role === Role.ROLE_OWNER).map((p) => p.userId));
        if (page.length < 1_000) return owners;
        afterUserId = page.at(-1)?.userId as string;
      }
    };
    /** A conversation of 1,102 with two owners, the first and the last by their ids. */
    const aBigOne = async (): Promise<Bench> => {
      const bench = await Bench.open();
      open.push(bench);
      await bench.log.append([
        toRecord(big.created(['ann', ...ids.slice(0, 600)]), at),
        toRecord(big.added(ids.slice(600)), at),
        toRecord(big.added(['zoe'], Role.ROLE_OWNER), at),
      ]);
      return bench;
    };

    test('get no company when one of two leaves a large group', async () => {
      const bench = await aBigOne();
      bench.start();
      await countIs(bench, 1_102);
      await bench.log.append([toRecord(big.removed(['ann'], 'ann'), at)]);
      await countIs(bench, 1_101);
      expect(await ownersOf(bench)).toEqual(['zoe']);
    });

    test('have a successor also where the first thousand have all left', async () => {
      const bench = await aBigOne();
      bench.start();
      await countIs(bench, 1_102);
      await bench.log.append([toRecord(big.removed(ids.slice(0, 1_050)), at)]);
      await countIs(bench, 52);
      await bench.log.append([toRecord(big.removed(['ann', 'zoe'], 'zoe'), at)]);
      await countIs(bench, 50);
      expect(await ownersOf(bench)).toEqual([ids[1_050]]);
    });

    test('are counted where the conversation is from before they were', async () => {
      const bench = await aBigOne();
      const worker = bench.start();
      await countIs(bench, 1_102);
      await worker.stop();
      const head = await headOf(bench);
      if (!head) throw new Error('no head');
      const old = { ...head, ownerCount: undefined };
      expect(await bench.store.conversations.commit([{ expectedHeadRev: head.headRev, document: old }])).toEqual([
        'committed',
      ]);
      bench.start();
      await bench.log.append([toRecord(big.removed(['ann'], 'ann'), at)]);
      await countIs(bench, 1_101);
      expect((await headOf(bench))?.ownerCount).toBe(1);
      expect(await ownersOf(bench)).toEqual(['zoe']);
    });
  });
});
