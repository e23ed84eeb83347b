import { createLogger } from '@caas/kit/log';
import { type CommandContext, foundFaults, type Register } from '../command.ts';
import { migrateConfig } from '../migrate/config.ts';
import { importTenant } from '../migrate/import/import-tenant.ts';
import { type OpenSides, withSides } from '../migrate/open.ts';
import { importLines, verifyLines } from '../migrate/report.ts';
import { verifyTenant } from '../migrate/verify/verify-tenant.ts';

interface Options {
  tenant: string;
  oldTenant?: string;
  dryRun?: true;
  verify?: true;
}

/** `caas migrate`: from the old messaging-service to CAAS, one tenant at a time, and back. */
export const migrate: Register = (program, context) => {
  program
    .command('migrate')
    .description('Brings a tenant of the old messaging-service to CAAS, and back; see docs/migration.md')
    .requiredOption('--tenant <id>', 'the tenant in CAAS, which must be there')
    .option('--old-tenant <id>', 'the tenant in the old service; default the same')
    .option('--dry-run', 'read and judge everything, write nothing')
    .option('--verify', 'compare both sides, message by message')
    .action((options: Options) => run(options, context));
};

const run = async (options: Options, context: CommandContext): Promise<void> => {
  const config = migrateConfig();
  const pair = { tenantId: options.tenant, oldTenantId: options.oldTenant ?? options.tenant };
  const logger = createLogger({ service: 'caas', level: config.logLevel });
  const onOdd = ({ collection, id, reason }: { collection: string; id: string; reason: string }): void =>
    context.print(`odd            ${collection} ${id}: ${reason}`);
  await withSides(config, pair, { logger, onOdd }, (sides) => modeOf(options)(sides, options, context));
};

type Mode = (sides: OpenSides, options: Options, context: CommandContext) => Promise<void>;

const modeOf = ({ verify }: Options): Mode => (verify ? compare : bringOver);

const bringOver: Mode = async (sides, { dryRun }, { signal, print, progress, exit }) => {
  const run = dryRun ? undefined : (await sides.ledger.begin(sides.pair)).run;
  const report = await importTenant(sides, {
    run,
    signal,
    onProgress: ({ messages, conversations: { imported, unchanged } }) =>
      progress(`${messages} messages, ${imported} conversations imported, ${unchanged} unchanged`),
  });
  for (const line of importLines(report, sides.odd)) print(line);
  if (sides.odd.total + report.strayMessages + report.conversations.live > 0) exit(foundFaults);
};

const compare: Mode = async (sides, _, { signal, print, progress, exit }) => {
  const report = await verifyTenant(sides, {
    signal,
    onProgress: ({ conversations, messages }) => progress(`${conversations} conversations, ${messages} messages`),
  });
  for (const line of verifyLines(report)) print(line);
  if (report.differing > 0) exit(foundFaults);
};
