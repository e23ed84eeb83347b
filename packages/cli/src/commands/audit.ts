import { verifyExport } from '@caas/compliance-client/verify';
import { auditConfig } from '../audit/config.ts';
import { exportAudit } from '../audit/export-audit.ts';
import { checkpointIn, linesIn, publicKeyFrom } from '../audit/files.ts';
import { exportLines, verifyLines } from '../audit/report.ts';
import { type CommandContext, foundFaults, type Register } from '../command.ts';

const several = (value: string, before: string[] = []): string[] => [...before, value];

/** `caas audit`: a tenant's audit log in a file, and whether such a file is what was signed. */
export const audit: Register = (program, context) => {
  const commands = program.command('audit').description('The audit log; see docs/compliance/audit.md');
  commands
    .command('export')
    .description("Writes a tenant's audit log to a file")
    .requiredOption('--tenant <id>', 'the tenant; _installation for acts of no tenant')
    .requiredOption('--out <file>', 'the file, which must not be there yet')
    .action((options: { tenant: string; out: string }) => write(options, context));
  commands
    .command('verify')
    .description('Says whether an exported audit log is what was signed; needs no network')
    .argument('<file>', 'the exported file')
    .requiredOption(
      '--key <base64>',
      'the public key you believe, as you got it before; repeat it for several',
      several,
    )
    .option('--earlier <file>', 'an earlier export, or its last line: the log must have grown from it', several)
    .action((file: string, options: { key: string[]; earlier?: string[] }) => verify(file, options, context));
};

const write = async ({ tenant, out }: { tenant: string; out: string }, context: CommandContext): Promise<void> => {
  const { signal, print, progress } = context;
  const onProgress = (entries: number): void => progress(`${entries} entries`);
  const exported = await exportAudit(auditConfig(), { tenantId: tenant, file: out, signal, onProgress });
  for (const line of exportLines(exported, out)) print(line);
};

const verify = async (
  file: string,
  { key, earlier = [] }: { key: string[]; earlier?: string[] },
  { print, exit }: CommandContext,
): Promise<void> => {
  const publicKeys = key.map(publicKeyFrom);
  const verified = await verifyExport(linesIn(file), {
    publicKeys,
    earlier: await Promise.all(earlier.map(checkpointIn)),
  });
  for (const line of verifyLines(verified)) print(line);
  if (!verified.ok) exit(foundFaults);
};
