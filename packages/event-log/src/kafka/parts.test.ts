import { CaasError } from '@caas/kit';
import { expect, test } from '@jest/globals';
import type { LogPosition, TopicSpec } from '../port.ts';
import { offsetsPerGeneration } from '../position.ts';
import { assign, encodeMember, shardsOf } from './assignment.ts';
import { type Call, Lane, type ProducerIdentity } from './lane.ts';
import { generationHeader, KafkaLayout, logicalOffset, physicalOffset, recordOf } from './layout.ts';
import { produceArgs, unknownFate, verdictOf } from './produce-request.ts';

const specs: TopicSpec[] = [
  { name: 'sent', partitions: 6, retentionMs: 1 },
  { name: 'edited', partitions: 3, retentionMs: 1 },
];
const layout = new KafkaLayout(specs, 'p-', {});
const identity = (id: string): ProducerIdentity => ({ id, epoch: 0 });

/** A lane with calls of one record each, and what became of them. */
const aLane = (...names: string[]) => {
  const lane = new Lane(layout.of('sent'), 2);
  const outcomes: Record<string, LogPosition[] | string> = {};
  const calls: Record<string, Call> = {};
  for (const name of names) {
    const call: Call = {
      bytes: 10,
      deadlineMs: 0,
      missing: 1,
      exposed: false,
      answered: false,
      positions: [],
      resolve: (positions) => {
        outcomes[name] = positions;
      },
      reject: (error) => {
        outcomes[name] = (error as CaasError).reason;
      },
    };
    calls[name] = call;
    lane.push({
      record: { topic: 'sent', key: name, value: new Uint8Array(), headers: {} },
      bytes: 10,
      call,
      index: 0,
    });
  }
  return { lane, outcomes, calls };
};
const keysOf = (unit: { entries: { record: { key: string } }[] } | undefined) => unit?.entries.map((e) => e.record.key);

test('a batch in doubt is sent again as it was, under its own sequence and producer, before anything follows', () => {
  const { lane, outcomes } = aLane('a', 'b', 'c');
  const [first, second] = [identity('1'), identity('2')];
  const unit = lane.cut(first, 20);
  expect(keysOf(unit)).toEqual(['a', 'b']);
  lane.doubtful(unit as never);
  expect(lane.cut(second, 1_000)).toBe(unit);
  expect(unit).toMatchObject({ identity: first, firstSequence: 0 });
  lane.written(unit as never, 40);
  expect(outcomes).toEqual({ a: [{ partition: 2, offset: 40 }], b: [{ partition: 2, offset: 41 }] });
  expect(lane.cut(first, 1_000)).toMatchObject({ firstSequence: 2 });
});

test('a batch that was surely not written waits in its place and can be given up; its sequence is not used up', () => {
  const { lane, calls } = aLane('a', 'b', 'c');
  const one = identity('1');
  lane.notWritten(lane.cut(one, 10) as never);
  (calls['a'] as Call).answered = true;
  const unit = lane.cut(one, 1_000);
  expect(keysOf(unit)).toEqual(['b', 'c']);
  expect(unit?.firstSequence).toBe(0);
});

test('"not written" of a later attempt does not clear the doubt of an earlier one', () => {
  const { lane, outcomes } = aLane('a');
  const unit = lane.cut(identity('1'), 10);
  lane.doubtful(unit as never);
  lane.notWritten(unit as never);
  expect(lane.cut(identity('2'), 10)).toBe(unit);
  lane.abandon(unit as never, () => unknownFate(undefined));
  expect(outcomes).toEqual({ a: 'DEADLINE_EXCEEDED' });
  expect(lane.empty).toBe(true);
});

test('another producer identity starts its sequence at 0', () => {
  const { lane } = aLane('a', 'b');
  lane.written(lane.cut(identity('1'), 10) as never, 0);
  expect(lane.cut(identity('2'), 10)).toMatchObject({ firstSequence: 0, identity: identity('2') });
});

test('unknown answers are refusals; what may be in the log is in doubt', () => {
  expect([0, 3, 6, 7, 10, 19, 20, 45, 29, -1].map(verdictOf)).toEqual([
    'written',
    'in doubt',
    'in doubt',
    'in doubt',
    'not written',
    'not written',
    'in doubt',
    'sequence lost',
    'refused',
    'in doubt',
  ]);
});

test('offsets of a grown topic sort after those before, and records say their generation to nobody', () => {
  const grown = new KafkaLayout(specs, '', { sent: 12 }).of('sent');
  expect(grown.generation).toBe(1);
  expect(logicalOffset(5, 1)).toBe(offsetsPerGeneration + 5);
  expect(physicalOffset(logicalOffset(5, 3))).toBe(5);
  const lane = new Lane(grown, 7);
  const call = { answered: false } as Call;
  lane.push({
    record: { topic: 'sent', key: 'k', value: new Uint8Array(1), headers: { a: '1' } },
    bytes: 1,
    call,
    index: 0,
  });
  const unit = lane.cut(identity('1'), 1);
  expect(produceArgs([{ lane, unit: unit as never }])).toMatchObject({
    topicData: [{ topic: 'sent', partitions: [{ messages: [{ headers: { a: '1', [generationHeader]: '1' } }] }] }],
  });
  const headers = { a: Buffer.from('1'), [generationHeader]: Buffer.from('1') };
  const message = { offset: '5', timestamp: '9', key: Buffer.from('k'), value: Buffer.from('v'), headers };
  expect(recordOf('sent', 7, message)).toMatchObject({
    offset: offsetsPerGeneration + 5,
    headers: { a: '1' },
    key: 'k',
  });
  for (const wrong of [{ sent: 7 }, { sent: 3 }, { sent: Number.NaN }, { other: 6 }])
    expect(() => new KafkaLayout(specs, '', wrong as never)).toThrow(CaasError);
});

test('members keep the shards they have, and a shard is the same partitions of every topic', () => {
  const member = (memberId: string, held: number[]) => ({ memberId, memberMetadata: encodeMember(layout.all, held) });
  const assigned = assign([member('b', [2]), member('a', [0, 1]), member('c', [])], layout.all, 3);
  const shards = Object.fromEntries(assigned.map((a) => [a.memberId, shardsOf(a.memberAssignment, 3)]));
  expect(shards['b']).toEqual([2]);
  expect([...(shards['a'] ?? []), ...(shards['c'] ?? [])].sort()).toEqual([0, 1]);
  expect(shards['a']).toHaveLength(1);
  expect(shardsOf(Buffer.alloc(0), 3)).toEqual([]);
});
