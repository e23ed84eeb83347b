import { AuditEntry, Checkpoint } from '@caas/proto/caas/compliance/v1/audit_service';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { aCheckpoint, aLeaf, aSigner, linesOf } from '../testing/an-export.ts';
import { checkpointLine, checkpointText, entryLine, type FindingKind, maxFindings, verifyExport } from './index.ts';

const signer = aSigner();
const leaves = Array.from({ length: 13 }, (_, index) => aLeaf(index));
const checkpoint = aCheckpoint(leaves, signer);
const lines = linesOf(leaves, checkpoint);
const options = { publicKeys: [signer.publicKey] };
const findingsIn = async (altered: readonly string[], over = {}): Promise<FindingKind[]> =>
  (await verifyExport(altered, { ...options, ...over })).findings.map(({ kind }) => kind);

/** The line of another entry at that index. */
const forged = (index: number, over: object = { actorId: 'mallory' }): string =>
  entryLine(aLeaf(index, over)).trimEnd();
const withView = (line: string, change: (entry: { event: { actorId: string } }) => void): string => {
  const value = JSON.parse(line);
  change(value.entry);
  return JSON.stringify(value);
};
const withCheckpoint = (over: Partial<Checkpoint>): string[] =>
  lines.with(13, checkpointLine({ ...checkpoint, ...over }).trimEnd());

test('an export as it was made is right, whatever follows the last line', async () => {
  expect(await verifyExport(lines, options)).toEqual({
    ok: true,
    tenantId: 'acme',
    entries: 13,
    checkpoint,
    findings: [],
  });
  expect((await verifyExport([...lines, ''], options)).ok).toBe(true);
  const empty = aCheckpoint([], signer);
  expect((await verifyExport(linesOf([], empty), options)).ok).toBe(true);
});

test('the text that is signed is the one the contract names', () => {
  expect(checkpointText({ tenantId: 'acme', treeSize: 2, rootHash: new Uint8Array(3), signedAtMs: 7 })).toBe(
    'caas-audit-checkpoint/v1\nacme\n2\nAAAA\n7\n',
  );
});

describe('each way to alter the file is caught by its name:', () => {
  test.each<[string, string[], FindingKind[]]>([
    ['an entry that was changed with its view', lines.with(4, forged(4)), ['altered']],
    ['the last entry changed', lines.with(12, forged(12)), ['altered']],
    ['a bit of when it was logged', lines.with(0, forged(0, { atMs: 1 })), ['altered']],
    [
      'the view alone',
      lines.with(
        4,
        withView(lines[4] as string, ({ event }) => Object.assign(event, { actorId: 'bob' })),
      ),
      ['altered'],
    ],
    [
      'a view with something added',
      lines.with(
        4,
        withView(lines[4] as string, (e) => Object.assign(e, { x: 1 })),
      ),
      ['altered'],
    ],
    ['an entry dropped', lines.toSpliced(4, 1), ['dropped']],
    ['the first one dropped', lines.toSpliced(0, 1), ['dropped']],
    ['several dropped, in two places', lines.toSpliced(8, 2).toSpliced(3, 1), ['dropped', 'dropped']],
    ['two entries swapped', lines.with(4, lines[5] as string).with(5, lines[4] as string), ['reordered']],
    ['the last one first', [lines[12] as string, ...lines.toSpliced(12, 1)], Array(12).fill('reordered')],
    ['an entry twice in a row', lines.toSpliced(4, 0, lines[4] as string), ['duplicated']],
    ['an entry again at the end', lines.toSpliced(13, 0, lines[4] as string), ['duplicated']],
    ['the checkpoint cut off', lines.slice(0, -1), ['truncated']],
    ['the last entries cut off', lines.toSpliced(10, 3), ['truncated']],
    ['all entries cut off', lines.slice(-1), ['truncated']],
    [
      'a line cut in the middle',
      [...lines.slice(0, 12), (lines[12] as string).slice(0, 40)],
      ['unreadable', 'truncated'],
    ],
    ['nothing left', [], ['truncated']],
    ['an entry added', lines.toSpliced(13, 0, forged(13)), ['added']],
    ['a line after the checkpoint', [...lines, forged(13)], ['added']],
    [
      'the end cut off and another checkpoint forged',
      linesOf(leaves.slice(0, 5), aCheckpoint(leaves.slice(0, 5), aSigner())),
      ['wrong key'],
    ],
    ['an entry of another tenant', lines.with(4, entryLine(aLeaf(4, {}, 'other')).trimEnd()), ['foreign']],
    ['the size changed', withCheckpoint({ treeSize: 12 }), ['wrong signature', 'added']],
    ['the root changed', withCheckpoint({ rootHash: Buffer.alloc(32, 1) }), ['wrong signature']],
    ['the time changed', withCheckpoint({ signedAtMs: 1 }), ['wrong signature']],
    ['the tenant changed', withCheckpoint({ tenantId: 'other' }), ['wrong signature', 'foreign']],
    ['the signature changed', withCheckpoint({ signature: Buffer.alloc(64, 1) }), ['wrong signature']],
    ['the signature cut', withCheckpoint({ signature: Buffer.alloc(0) }), ['wrong signature']],
    ['the key changed', withCheckpoint({ publicKey: Buffer.alloc(32, 9) }), ['wrong key']],
    ['the key left out', withCheckpoint({ publicKey: Buffer.alloc(0) }), ['wrong key']],
    ['words that are no line', lines.with(4, 'hello'), ['unreadable', 'dropped']],
    ['a number for a line', lines.with(4, '7'), ['unreadable', 'dropped']],
  ])('%s', async (_, altered, expected) => {
    expect(await findingsIn(altered)).toEqual(expected);
  });

  test('what is wrong says where', async () => {
    const { findings } = await verifyExport(lines.toSpliced(8, 2), options);
    expect(findings).toEqual([{ kind: 'dropped', line: 9, index: 8, message: '2 entries are missing from 8 on' }]);
  });

  test('a checkpoint of another key, whole and right for that key', async () => {
    const stranger = aSigner();
    expect(await findingsIn(linesOf(leaves, aCheckpoint(leaves, stranger)))).toEqual(['wrong key']);
    // And one that claims the right key.
    const claimed = { ...aCheckpoint(leaves, stranger), publicKey: Buffer.from(signer.publicKey) };
    expect(await findingsIn(linesOf(leaves, claimed))).toEqual(['wrong signature']);
  });

  test('no single change of a character goes unnoticed, unless it changes nothing', async () => {
    const text = lines.join('\n');
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: text.length - 1 }), fc.integer({ min: 33, max: 126 }), async (at, code) => {
        const altered = `${text.slice(0, at)}${String.fromCharCode(code)}${text.slice(at + 1)}`;
        const { ok } = await verifyExport(altered.split('\n'), options);
        const harmless = altered === text || sameValues(altered, text);
        expect(ok).toBe(harmless);
      }),
      { numRuns: 500 },
    );
  });
});

/** Whether two exports say the same: base64 has bits that mean nothing, and the key's id is a name only. */
const sameValues = (a: string, b: string): boolean => {
  const valuesIn = (text: string) =>
    text.split('\n').map((line) => {
      const { leaf, entry, checkpoint: signed } = JSON.parse(line);
      if (signed) return { ...Checkpoint.fromJSON(signed), keyId: '' };
      return { leaf: Buffer.from(leaf, 'base64').toString('hex'), entry: AuditEntry.fromJSON(entry) };
    });
  try {
    return JSON.stringify(valuesIn(a)) === JSON.stringify(valuesIn(b));
  } catch {
    return false;
  }
};

describe('against an earlier checkpoint', () => {
  const earlier = aCheckpoint(leaves.slice(0, 6), signer);

  test('a log that has only grown is right, also from nothing and from itself', async () => {
    for (const before of [earlier, checkpoint, aCheckpoint([], signer)])
      expect(await findingsIn(lines, { earlier: [before] })).toEqual([]);
  });

  test('one whose past was rewritten, and signed anew by the right key, is not', async () => {
    const rewritten = leaves.with(2, aLeaf(2, { actorId: 'mallory' }));
    const altered = linesOf(rewritten, aCheckpoint(rewritten, signer));
    expect(await findingsIn(altered)).toEqual([]);
    expect(await findingsIn(altered, { earlier: [earlier] })).toEqual(['rewritten']);
  });

  test('one that is shorter than before is not', async () => {
    const shorter = leaves.slice(0, 5);
    expect(await findingsIn(linesOf(shorter, aCheckpoint(shorter, signer)), { earlier: [earlier] })).toEqual([
      'rewritten',
    ]);
  });

  test('an earlier checkpoint that is no checkpoint of the key proves nothing', async () => {
    const forgedOne = aCheckpoint(leaves.slice(0, 6), aSigner());
    expect(await findingsIn(lines, { earlier: [forgedOne] })).toEqual(['wrong key']);
    const ofOther = aCheckpoint(leaves.slice(0, 6), signer, 'other');
    expect(await findingsIn(lines, { earlier: [ofOther] })).toEqual(['foreign']);
  });
});

test('of a file that is something else, no more is told than a reader can use', async () => {
  const { ok, findings } = await verifyExport(Array(10_000).fill('noise'), options);
  expect(ok).toBe(false);
  expect(findings).toHaveLength(maxFindings);
});
