import { fail, traceparentIn } from '@caas/kit';
import type { JobRecord } from '@caas/privacy-store';
import type { PrivacyCore } from '../core.ts';
import { archiveOf } from './archive.ts';
import { type ExportFile, filesOf, whole } from './files.ts';
import { Manifest } from './manifest.ts';
import { auditLines, conversationLines, mediaFiles, messageFiles, sessionLines } from './sources.ts';

/** Hears how far an export is. */
export type OnProgress = (step: string, doneUnits: number) => Promise<void>;

/** All files of a user's export, the signed manifest last. */
async function* filesOfUser(
  core: PrivacyCore,
  job: JobRecord,
  manifest: Manifest,
  onProgress: OnProgress,
): AsyncGenerator<ExportFile> {
  const { tenantId, userId, jobId, traceId } = job;
  const whose = { tenantId, userId, traceparent: traceparentIn(traceId) };
  await onProgress('profile', 0);
  const { user } = await core.accounts.getUserData({ ...whose, afterSessionId: '' }, whose);
  yield whole('profile.json', `${JSON.stringify(user, undefined, 2)}\n`);
  yield* filesOf('sessions', sessionLines(core, whose));
  await onProgress('conversations', 0);
  yield* filesOf('conversations', conversationLines(core, whose));
  let read = 0;
  yield* messageFiles(core, whose, (messages) => {
    read += messages;
    return onProgress('messages', read);
  });
  await onProgress('media', 0);
  yield* mediaFiles(core, whose);
  await onProgress('audit', 0);
  yield* filesOf('audit', auditLines(core, whose));
  await onProgress('manifest', 0);
  const about = { tenant_id: tenantId, user_id: userId, job_id: jobId, made_at_ms: core.clock.now() };
  const text = manifest.text(about);
  yield whole('manifest.json', text);
  yield whole('manifest.sig.json', `${JSON.stringify(await signatureOf(core, text), undefined, 2)}\n`);
}

/** Who answers for a text, as a file of its own beside it. */
const signatureOf = async (core: PrivacyCore, text: string) => {
  const { signature, keyId } = core.sign(text);
  const publicKey = (await core.publicKey(keyId)) ?? fail('INTERNAL', 'a text is signed by a key nobody knows');
  return { key_id: keyId, public_key: Buffer.from(publicKey).toString('base64'), signature };
};

/** A user's export as a tar archive, made from the stores as it is read. */
export const exportOf = (core: PrivacyCore, job: JobRecord, onProgress: OnProgress): AsyncGenerator<Uint8Array> => {
  const manifest = new Manifest();
  return archiveOf(filesOfUser(core, job, manifest, onProgress), (file) => manifest.add(file));
};
