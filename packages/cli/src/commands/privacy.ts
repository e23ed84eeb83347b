import { stat, writeFile } from 'node:fs/promises';
import { newId } from '@caas/kit';
import { ConfigError } from '@caas/kit/config';
import { JobState } from '@caas/proto/caas/compliance/v1/privacy_service';
import type { Command } from 'commander';
import { publicKeyFrom } from '../audit/files.ts';
import { type CommandContext, foundFaults, type Register } from '../command.ts';
import { atCompliance, type Privacy } from '../privacy/client.ts';
import { followed, jobLine } from '../privacy/follow.ts';
import { verifyCertificate, verifyFolder } from '../privacy/verify.ts';
import { writeFolder, writeTar } from '../privacy/write-export.ts';
import { hold } from './privacy-hold.ts';
import { retention } from './privacy-retention.ts';

interface OfUser {
  tenant: string;
  user: string;
  out: string;
  request?: string;
}

const several = (value: string, before: string[] = []): string[] => [...before, value];

/** Options of what is done to a user's data. */
const ofUser = (command: Command): Command =>
  command
    .requiredOption('--tenant <id>', 'the tenant')
    .requiredOption('--user <id>', 'the user')
    .option('--request <id>', 'id of the request: the same one is one job; default a new one');

/** `caas privacy`: export, erasure, retention and legal hold, as an operator has them done by compliance. */
export const privacy: Register = (program, context) => {
  const commands = program.command('privacy').description("People's data; see docs/compliance/privacy.md");
  ofUser(commands.command('export').description("Writes all of a user's data to a folder, or a tar archive"))
    .requiredOption('--out <path>', 'the folder, or a file that ends with .tar; must not be there yet')
    .action((options: OfUser) => atCompliance((at) => writeExport(at, options, context)));
  ofUser(commands.command('erase').description('Erases a user for good, and writes the certificate of it'))
    .requiredOption('--out <file>', 'the certificate; must not be there yet')
    .action((options: OfUser) => atCompliance((at) => erase(at, options, context)));
  commands
    .command('job')
    .description('Shows jobs, or one')
    .requiredOption('--tenant <id>', 'the tenant')
    .option('--id <id>', 'one job')
    .option('--cancel', 'stops it', false)
    .action((options: { tenant: string; id?: string; cancel: boolean }) =>
      atCompliance((at) => showJobs(at, options, context)),
    );
  commands
    .command('verify')
    .description('Says whether an exported folder, or a certificate, is what was signed; needs no network')
    .argument('<path>', 'folder of an export, or file of a certificate')
    .option('--key <base64>', 'the public key you believe, as you got it before; repeat it for several', several)
    .action((path: string, { key = [] }: { key?: string[] }) => verify(path, key, context));
  retention(commands, context);
  hold(commands, context);
};

const writeExport = async (
  at: Privacy,
  { tenant, user, out, request = newId() }: OfUser,
  { signal, print, progress }: CommandContext,
): Promise<void> => {
  const asked = { tenantId: tenant, userId: user, requestId: request, actorId: '' };
  const { job } = await at.startExport(asked, { signal });
  const chunks = at.readExport({ tenantId: tenant, jobId: job?.jobId ?? '' }, { signal });
  if (out.endsWith('.tar')) await writeTar(chunks, out);
  else print(`files          ${await writeFolder(chunks, out, (files) => progress(`${files} files`))}`);
  print(`job            ${job?.jobId}`);
  print(`written        ${out}`);
};

const erase = async (
  at: Privacy,
  { tenant, user, out, request = newId() }: OfUser,
  context: CommandContext,
): Promise<void> => {
  const { signal, print, exit } = context;
  const asked = { tenantId: tenant, userId: user, requestId: request, actorId: '' };
  const { job: started } = await at.startErasure(asked, { signal });
  print(`job            ${started?.jobId}`);
  const job = await followed(at, started, context);
  print(jobLine(job));
  if (job.state !== JobState.JOB_STATE_DONE) return exit(foundFaults);
  const signed = await at.getCertificate({ tenantId: tenant, jobId: job.jobId }, { signal });
  const file = {
    certificate: signed.certificateJson,
    signature: Buffer.from(signed.signature).toString('base64'),
    key_id: signed.keyId,
    public_key: Buffer.from(signed.publicKey).toString('base64'),
  };
  await writeFile(out, `${JSON.stringify(file, undefined, 2)}\n`, { flag: 'wx', mode: 0o600 });
  print(`certificate    ${out}`);
  print(`key            ${file.public_key}   (id ${file.key_id})`);
};

const showJobs = async (
  at: Privacy,
  { tenant: tenantId, id, cancel }: { tenant: string; id?: string; cancel: boolean },
  { signal, print }: CommandContext,
): Promise<void> => {
  if (id !== undefined) {
    const named = { tenantId, jobId: id };
    const { job } = await (cancel ? at.cancelJob(named, { signal }) : at.getJob(named, { signal }));
    if (job) print(jobLine(job));
    return;
  }
  if (cancel) throw new ConfigError('--cancel wants --id');
  let cursor = '';
  do {
    const page = await at.listJobs({ tenantId, cursor }, { signal });
    for (const job of page.jobs) print(jobLine(job));
    cursor = page.nextCursor;
  } while (cursor !== '');
};

const verify = async (path: string, keys: string[], { print, exit }: CommandContext): Promise<void> => {
  const publicKeys = keys.map(publicKeyFrom);
  const isFolder = await stat(path).then(
    (there) => there.isDirectory(),
    () => false,
  );
  const verified = isFolder ? await verifyFolder(path, publicKeys) : await verifyCertificate(path, publicKeys);
  if ('certificate' in verified) print(verified.certificate as string);
  print(`read           ${verified.files} files`);
  for (const { kind, path: where } of verified.findings) print(`${kind.padEnd(14)} ${where}`);
  if (verified.findings.length > 0) {
    print('NOT VERIFIED');
    return exit(foundFaults);
  }
  print(
    verified.signed
      ? 'verified       nothing was altered'
      : 'whole          every file is that of the manifest; who made it, only --key proves',
  );
};
