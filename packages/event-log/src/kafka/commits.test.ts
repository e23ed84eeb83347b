import { expect, test } from '@jest/globals';
import { aGate } from '../contract/harness.ts';
import { Commits } from './commits.ts';
import type { Position } from './group-member.ts';
import { PartitionBuffer } from './partition-buffer.ts';

const topic = { name: 't', physical: 't', partitions: 2, generation: 0, retentionMs: 1 };

/** A member's place whose coordinator answers when it is let. */
const aMembership = () => {
  const answer = aGate();
  const committed: Position[][] = [];
  const commit = async (positions: readonly Position[]): Promise<void> => {
    committed.push([...positions]);
    await answer.opened;
  };
  return { joined: true, member: { generation: 1, commit }, committed, answer };
};

/** A partition of which the records before `done` are done, and not committed. */
const aBuffer = (partition: number, done: number): PartitionBuffer => {
  const buffer = new PartitionBuffer(topic, partition, 0);
  buffer.finish(done, 0);
  return buffer;
};

test('a commit that waited while the shards were spread anew is dropped: who has them now may be further', async () => {
  for (const spread of ['over', 'under way'] as const) {
    const membership = aMembership();
    const commits = new Commits((thrown) => {
      throw thrown;
    });
    const [first, second] = [aBuffer(0, 5), aBuffer(1, 7)];
    const done = [commits.commit(membership, [first]), commits.commit(membership, [second])];
    await Promise.resolve();
    if (spread === 'over') membership.member.generation = 2;
    else membership.joined = false;
    membership.answer.open();
    await Promise.all(done);
    expect(membership.committed).toEqual([[{ topic: 't', partition: 0, offset: 5 }]]);
    expect([first.committed, second.committed]).toEqual([5, 0]);
  }
});

test('what is done meanwhile goes along with a commit that waits, and what could not be committed is told', async () => {
  const membership = aMembership();
  const failed: unknown[] = [];
  const commits = new Commits((thrown) => failed.push(thrown));
  const buffer = aBuffer(0, 5);
  const done = [commits.commit(membership, [buffer]), commits.commit(membership, [buffer])];
  await Promise.resolve();
  buffer.finish(9, 0);
  membership.answer.open();
  await Promise.all(done);
  expect(membership.committed.map(([position]) => position?.offset)).toEqual([5, 9]);
  buffer.finish(10, 0);
  membership.member.commit = () => Promise.reject(new Error('no'));
  await commits.commit(membership, [buffer]);
  expect(failed).toEqual([new Error('no')]);
  expect(buffer.committed).toBe(9);
});
