/** The suite's own parts, without engines: what it would overlook if they were wrong. */
import { describe, expect, test } from '@jest/globals';
import type { Act, Entry } from '../support/history.ts';
import { cells } from './cells.ts';
import { checkActs } from './check-acts.ts';
import { mutants } from './mutants/table.ts';
import { patched } from './mutants/tree.ts';
import { optionsOf } from './options.ts';

const message = {
  conversation: 'c',
  seq: 1,
  position: 1,
  messageId: 'm',
  sender: 'ann',
  clientMsgId: '1',
  text: 'first',
};

/** One message that Ann sent, what was done to it, and what two lists say of it in the end. */
const aRun = (
  acts: { by: string; act: Act; outcome?: 'accepted' | 'refused' | 'unknown' }[],
  ...ends: { text?: string; reactions?: string[] }[]
): Entry[] => [
  { client: 'ann', event: 'sending', conversation: 'c', clientMsgId: '1', ordinal: 1, text: 'first' },
  ...acts.map(({ by, act, outcome = 'accepted' }) => ({
    client: by,
    event: 'act' as const,
    conversation: 'c',
    act,
    outcome,
  })),
  ...ends.map((end, i) => ({
    ...message,
    client: ['ann', 'bob'][i] as string,
    event: 'held' as const,
    view: 'live' as const,
    reactions: [],
    ...end,
  })),
];

const edit = (text: string): Act => ({ kind: 'edit', messageId: 'm', text });
const react = (present: boolean): Act => ({ kind: 'react', messageId: 'm', reaction: '+', present });
const remove: Act = { kind: 'delete', messageId: 'm' };

describe('acts', () => {
  test.each<[string, Entry[]]>([
    ['nothing was done', aRun([], {}, {})],
    [
      'the last edit holds',
      aRun(
        [
          { by: 'ann', act: edit('a') },
          { by: 'ann', act: edit('b') },
        ],
        { text: 'b' },
      ),
    ],
    ['one without an answer came', aRun([{ by: 'ann', act: edit('a'), outcome: 'unknown' }], { text: 'a' })],
    ['one without an answer did not come', aRun([{ by: 'ann', act: edit('a'), outcome: 'unknown' }], {})],
    ['deleted', aRun([{ by: 'ann', act: remove }], { text: '' })],
    [
      'set and taken back',
      aRun(
        [
          { by: 'bob', act: react(true) },
          { by: 'bob', act: react(false) },
        ],
        {},
      ),
    ],
    ['set', aRun([{ by: 'bob', act: react(true) }], { reactions: ['+ bob'] })],
    [
      'read',
      [
        ...aRun([{ by: 'bob', act: { kind: 'read', seq: 1 } }], {}),
        { client: 'bob', event: 'read', conversation: 'c', seq: 1 },
      ],
    ],
  ])('are sound when %s', (_, entries) => expect(checkActs(entries)).toEqual([]));

  test.each<[string, Entry[]]>([
    ['an accepted edit is lost', aRun([{ by: 'ann', act: edit('a') }], {})],
    [
      'an earlier edit holds',
      aRun(
        [
          { by: 'ann', act: edit('a') },
          { by: 'ann', act: edit('b') },
        ],
        { text: 'a' },
      ),
    ],
    ['a refused edit came', aRun([{ by: 'ann', act: edit('a'), outcome: 'refused' }], { text: 'a' })],
    ['two lists differ', aRun([{ by: 'ann', act: edit('a') }], { text: 'a' }, {})],
    ['what was deleted is there', aRun([{ by: 'ann', act: remove }], {})],
    ['what nobody deleted is gone', aRun([], { text: '' })],
    ['a reaction is lost', aRun([{ by: 'bob', act: react(true) }], {})],
    ['one list lacks a reaction', aRun([{ by: 'bob', act: react(true) }], { reactions: ['+ bob'] }, {})],
    [
      'a receipt is lost',
      [
        ...aRun([{ by: 'bob', act: { kind: 'read', seq: 1 } }], {}),
        { client: 'bob', event: 'read', conversation: 'c', seq: 0 },
      ],
    ],
  ])('are broken when %s', (_, entries) => expect(checkActs(entries).map(({ broken }) => broken)).toContain('act'));
});

test('each cell has a name of its own, and the short form is some of them', () => {
  expect(new Set(cells.map(({ name }) => name)).size).toBe(cells.length);
  expect(cells.length).toBeGreaterThanOrEqual(40);
  expect(optionsOf([]).chosen.length).toBeGreaterThanOrEqual(6);
  expect(optionsOf(['--long', '--seeds', '3', '--seed', '5'])).toMatchObject({ chosen: cells, seeds: [5, 6, 7] });
});

test('a cell that there is not, and a number that is none, are refused', () => {
  expect(() => optionsOf(['--cell', 'no-such'])).toThrow(/no cell "no-such"/);
  expect(() => optionsOf(['--seeds', 'x'])).toThrow(/--seeds is not a number/);
});

test.each(mutants)('mutant $name has a cell, and its place in the code is there', async (mutant) => {
  expect(cells.map(({ name }) => name)).toContain(mutant.cell);
  expect((await patched(mutant)).size).toBeGreaterThan(0);
});
