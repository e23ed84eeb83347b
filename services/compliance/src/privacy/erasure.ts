import { createHash } from 'node:crypto';
import { traceparentIn } from '@caas/kit';
import type { JobRecord } from '@caas/privacy-store';
import { JobState } from '@caas/proto/caas/compliance/v1/privacy_service';
import { parkedPollMs, settlePollMs } from '../limits.ts';
import { type Certified, certificateOf } from './certificate.ts';
import type { PrivacyCore } from './core.ts';
import { newPass, type Pass, passOn } from './erasure-pass.ts';
import { holdOn, underHold } from './holds.ts';
import { sha256Hex } from './jobs.ts';
import { isApplied, logEnds } from './log-position.ts';
import { isParkedFor } from './parked.ts';
import type { StepOutcome } from './runner.ts';

/** What an erasure knows so far: what its certificate tells, and where it is. */
export interface ErasureMemo extends Certified {
  /** Where the log ended, by partition, when there was last something to wait for. */
  ends: Record<string, number>;
  pass: Pass;
  /** Whether something of theirs waited for an operator when it was last looked. */
  parked: boolean;
  /** When the index's files have nothing left, UTC milliseconds. */
  indexGoneAtMs: number;
}

interface Erasing {
  core: PrivacyCore;
  job: JobRecord;
  memo: ErasureMemo;
  traceparent: string;
}

type ErasureStep = (erasing: Erasing) => Promise<StepOutcome>;

const nothingYet = (): ErasureMemo => ({
  sessions: { ended: 0, removed: 0 },
  keys: [],
  goneEverywhereAtMs: 0,
  messages: { tombstones: 0, chain: '' },
  reactions: 0,
  conversationsLeft: 0,
  heldContents: 0,
  media: { count: 0, sha256: '', objects: 0 },
  index: undefined,
  ends: {},
  pass: newPass(),
  parked: false,
  indexGoneAtMs: 0,
});

/** On to a step with what is known by then. */
const to = (step: string, memo: ErasureMemo, more: StepOutcome = {}): StepOutcome => ({
  step,
  memo: JSON.stringify(memo),
  doneUnits: 0,
  totalUnits: 0,
  ...more,
});

/**
 * From here on it is begun. Whoever puts a hold writes it and then looks for what is begun; here it is the other way about, so
 * that of the two at least one sees the other.
 */
const begin: ErasureStep = async ({ memo }) => to('sessions', memo, { destroying: true });

const sessions: ErasureStep = async ({ core, job, memo, traceparent }) => {
  const { tenantId, userId } = job;
  const hold = await holdOn(core, tenantId, userId);
  if (hold) {
    const { reason, details } = underHold(hold);
    const actor = { kind: 'operator', id: job.startedBy } as const;
    core.writer.record({ tenantId, action: 'privacy.refused', actor, subjectId: userId, reason, traceparent, details });
    return { state: JobState.JOB_STATE_FAILED, reason, destroying: false };
  }
  const { ended } = await core.accounts.closeUser({ tenantId, userId }, { traceparent });
  return to('keys', { ...memo, sessions: { ...memo.sessions, ended: memo.sessions.ended + ended } });
};

/** Whether an erasure has still to look for holds: past that there was none when it looked. */
export const isBeforeLook = ({ step }: JobRecord): boolean => step === '' || step === 'sessions';

const keys: ErasureStep = async ({ core, job: { tenantId, userId }, memo, traceparent }) => {
  const destroyed = await core.keys.destroyUserKeys({ tenantId, userId }, { traceparent });
  const { goneEverywhereAtMs } = destroyed;
  const named = destroyed.keys.map(({ keyId, destroyedAtMs }) => ({ keyId, destroyedAtMs }));
  return to('holders', { ...memo, keys: named, goneEverywhereAtMs });
};

/** What the log holds by now is all there will be: no session of theirs is open and nobody has their key. */
const holders: ErasureStep = async ({ core, memo }) => {
  const leftMs = memo.goneEverywhereAtMs - core.clock.now();
  if (leftMs > 0) return { dueInMs: leftMs };
  return to('settling', { ...memo, ends: await logEnds(core), pass: newPass() });
};

const settling: ErasureStep = async ({ core, job: { tenantId, userId, jobId }, memo }) => {
  if (!(await isApplied(core, memo.ends))) return { dueInMs: settlePollMs };
  if (await isParkedFor(core, tenantId, userId)) {
    if (!memo.parked) core.logger.warn({ tenantId, jobId }, 'an erasure waits for a parked conversation to be retried');
    return to('settling', { ...memo, parked: true }, { reason: 'FAILED_PRECONDITION', dueInMs: parkedPollMs });
  }
  // What was kept back was sent again at the end of the log.
  if (memo.parked) return to('settling', { ...memo, parked: false, ends: await logEnds(core) });
  return to('tombstones', memo);
};

/** Goes through all that there is of the user; a pass that finds nothing to do tells what is gone. */
const tombstones: ErasureStep = async ({ core, job, memo, traceparent }) => {
  const { tenantId, userId, doneUnits } = job;
  const { pass, read, ended } = await passOn(core, { tenantId, userId }, memo.pass, traceparent);
  if (!ended) return to('tombstones', { ...memo, pass }, { doneUnits: doneUnits + read });
  const known = {
    ...memo,
    reactions: memo.reactions + pass.reactions,
    conversationsLeft: memo.conversationsLeft + pass.left,
    pass: newPass(),
  };
  if (pass.found > 0) return to('settling', { ...known, ends: await logEnds(core) });
  return to('held', { ...known, messages: { tombstones: pass.tombstones, chain: pass.chain } });
};

const held: ErasureStep = async ({ core, job: { tenantId, userId }, memo }) => {
  const removed = await core.held.removeHeldOf(tenantId, userId);
  return to('media', { ...memo, heldContents: memo.heldContents + removed });
};

const media: ErasureStep = async ({ core, job: { tenantId, userId }, memo, traceparent }) => {
  const ids = createHash('sha256');
  let [count, objects, afterMediaId] = [0, 0, ''];
  for (let more = true; more; ) {
    const page = await core.media.deleteUserMedia({ tenantId, userId, afterMediaId }, { traceparent });
    // Pages come in the order of the ids.
    for (const id of page.mediaIds) ids.update(`${id}\n`);
    count += page.mediaIds.length;
    objects += page.objects;
    afterMediaId = page.mediaIds.at(-1) ?? '';
    more = page.more;
  }
  const told = { count, sha256: ids.digest('hex'), objects: memo.media.objects + objects };
  return to('index', { ...memo, media: told });
};

const index: ErasureStep = async ({ core, job: { tenantId, userId }, memo, traceparent }) => {
  if (!core.search) return to('profile', memo);
  const { messages, goneAfterMs } = await core.search.purgeUser({ tenantId, userId }, { traceparent });
  const indexGoneAtMs = core.clock.now() + goneAfterMs;
  return to('files', { ...memo, index: { purgedAtMs: core.clock.now(), messages }, indexGoneAtMs });
};

const files: ErasureStep = async ({ core, memo }) => {
  const leftMs = memo.indexGoneAtMs - core.clock.now();
  return leftMs > 0 ? { dueInMs: leftMs } : to('profile', memo);
};

const profile: ErasureStep = async ({ core, job: { tenantId, userId }, memo, traceparent }) => {
  const { sessions: removed } = await core.accounts.eraseUser({ tenantId, userId }, { traceparent });
  return to('certificate', { ...memo, sessions: { ...memo.sessions, removed: memo.sessions.removed + removed } });
};

/** The certificate's hash is in the audit log, and the log's state in the certificate. */
const certificate: ErasureStep = async ({ core, job, memo, traceparent }) => {
  const { tenantId, userId, jobId } = job;
  const text = certificateOf(job, memo, await core.checkpoints.current(tenantId), core.clock.now());
  const details = { job_id: jobId, certificate_sha256: sha256Hex(text) };
  const actor = { kind: 'operator', id: job.startedBy } as const;
  const act = { tenantId, action: 'privacy.erased', actor, subjectId: userId, traceparent, details } as const;
  const signed = await core.writer.first(act, async () => core.sign(text));
  return { step: 'certificate', state: JobState.JOB_STATE_DONE, memo: '{}', certificate: signed };
};

const table: Readonly<Record<string, ErasureStep>> = {
  '': begin,
  sessions,
  keys,
  holders,
  settling,
  tombstones,
  held,
  media,
  index,
  files,
  profile,
  certificate,
};

/** Does an erasure's next step. */
export const erasureStep = (core: PrivacyCore, job: JobRecord): Promise<StepOutcome> => {
  const step = table[job.step];
  if (!step) throw new TypeError(`an erasure has no step ${job.step}`);
  const memo = { ...nothingYet(), ...(JSON.parse(job.memo) as Partial<ErasureMemo>) };
  return step({ core, job, memo, traceparent: traceparentIn(job.traceId) });
};
