import { maxGenerations, offsetsPerGeneration, positionOf } from '@caas/event-log';
import { ConfigError } from '@caas/kit';
import { MessageRejected } from '@caas/proto/caas/events/v1/message_events';
import { NodeEnvelope } from '@caas/proto/caas/events/v1/node_envelope';
import { expect, test } from '@jest/globals';
import { emptyConversation, emptyParticipant } from './apply/new-documents.ts';
import { persistenceConfig } from './config.ts';
import { encodeNotice, envelopesOf, maxEnvelopeBytes, maxNoticeChanges } from './envelopes.ts';
import { maxWaitingNews, NoticeQueue } from './notice-queue.ts';

const conversation = { ...emptyConversation('t1', 'c'), headRev: 5 };
const aNotice = (participants: number, userId = 'ann') => ({
  conversation,
  prevHeadRev: 4,
  applied: { 'user.action-1': 7 },
  changes: Array.from({ length: participants }, () => ({
    document: { $case: 'participant' as const, value: emptyParticipant('t1', 'c', userId) },
  })),
  incomplete: false,
  affectedUsers: [],
  nodeIds: new Set<string>(),
});
const aRejection = { rejected: MessageRejected.fromPartial({}), traceparent: '', nodeId: 'n1' };
const entriesOf = (envelope: Uint8Array) => NodeEnvelope.decode(envelope).entries;

test('entries that were encoded one by one are one envelope', () => {
  const [envelope] = envelopesOf([encodeNotice(aNotice(1)), encodeNotice(aNotice(9))]);
  const heads = entriesOf(envelope as Uint8Array).map(({ entry }) => entry?.$case === 'head' && entry.value);
  expect(heads).toMatchObject([
    { headRev: 5, prevHeadRev: 4, applied: { 'user.action-1': 7 }, changes: [{}], changesOmitted: false },
    { headRev: 5, changesOmitted: false },
  ]);
});

test('changes that are too many or too large are left out of a notice, and it says so', () => {
  for (const notice of [aNotice(maxNoticeChanges + 1), aNotice(2, 'x'.repeat(40_000))]) {
    const [envelope] = envelopesOf([encodeNotice(notice)]);
    const [{ entry } = { entry: undefined }] = entriesOf(envelope as Uint8Array);
    expect(entry?.value).toMatchObject({ changes: [], changesOmitted: true });
  }
});

test('entries that are more than an envelope holds go into the next, in order', () => {
  const entry = encodeNotice(aNotice(150, 'x'.repeat(300)));
  const entries = Array.from({ length: 40 }, () => entry);
  const envelopes = envelopesOf(entries);
  expect(envelopes.length).toBeGreaterThan(1);
  expect(Math.max(...envelopes.map((envelope) => envelope.byteLength))).toBeLessThanOrEqual(maxEnvelopeBytes);
  expect(envelopes.flatMap(entriesOf)).toHaveLength(40);
  expect(envelopesOf([])).toEqual([]);
});

test('news that nobody takes is dropped and counted, and the rest leaves in order', async () => {
  const sent: number[] = [];
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const faults: unknown[] = [];
  const queue = new NoticeQueue(
    async ({ notices }) => {
      await held;
      if (notices[0]?.prevHeadRev === 1) throw new Error('away');
      sent.push(notices[0]?.prevHeadRev as number);
    },
    (fault) => faults.push(fault),
  );
  for (let i = 0; i < maxWaitingNews + 2; i += 1)
    queue.add({ notices: [{ ...aNotice(0), prevHeadRev: i }], rejections: i > maxWaitingNews ? [aRejection] : [] });
  release();
  await queue.settled();
  expect(sent).toEqual([0, 2, 3, 4, 5, 6, 7]);
  expect([queue.dropped, faults.length]).toEqual([4, 1]);
});

test('positions sort by offset, later generations after earlier ones, and stay exact', () => {
  expect([positionOf(0), positionOf(41)]).toEqual([1, 42]);
  expect(positionOf(0, 1)).toBeGreaterThan(positionOf(offsetsPerGeneration - 1, 0));
  expect(Number.isSafeInteger(positionOf(offsetsPerGeneration - 2, maxGenerations - 1))).toBe(true);
});

test('settings have defaults, and wrong ones are named together', () => {
  expect(persistenceConfig({})).toMatchObject({ maxBatchRecords: 1_000, storeTimeoutMs: 10_000 });
  const wrong = { PERSISTENCE_MAX_BATCH_RECORDS: '0', PERSISTENCE_STORE_TIMEOUT_MS: 'soon' };
  expect(() => persistenceConfig(wrong)).toThrow(ConfigError);
  expect(() => persistenceConfig(wrong)).toThrow(/MAX_BATCH_RECORDS[\s\S]*STORE_TIMEOUT_MS/);
});
