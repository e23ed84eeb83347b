import { createLogger } from '@caas/kit/log';
import { Option } from 'commander';
import { type CommandContext, foundFaults, type Register } from '../command.ts';
import { Follower } from '../migrate/back/follow.ts';
import { rollBack } from '../migrate/back/roll-back.ts';
import { migrateConfig } from '../migrate/config.ts';
import { cutOver } from '../migrate/cut-over.ts';
import { importTenant } from '../migrate/import/import-tenant.ts';
import { type OpenSides, withSides } from '../migrate/open.ts';
import { importLines, rollbackLines, statusLines, verifyLines } from '../migrate/report.ts';
import { fedBack, importable, movesTo } from '../migrate/states.ts';
import { verifyTenant } from '../migrate/verify/verify-tenant.ts';

interface Options {
  tenant: string;
  oldTenant?: string;
  dryRun?: true;
  verify?: true;
  status?: true;
  to?: keyof typeof movesTo;
  followBack?: true;
  rollback?: true;
}

/** Each is what the command does instead of importing. */
const modes = ['dryRun', 'verify', 'status', 'to', 'followBack', 'rollback'] as const;

/** `caas migrate`: from the old messaging-service to CAAS, one tenant at a time, and back. */
export const migrate: Register = (program, context) => {
  const mode = (flags: string, description: string, name: (typeof modes)[number]): Option =>
    new Option(flags, description).conflicts(modes.filter((other) => other !== name));
  program
    .command('migrate')
    .description('Brings a tenant of the old messaging-service to CAAS, and back; see docs/migration.md')
    .requiredOption('--tenant <id>', 'the tenant in CAAS, which must be there')
    .option('--old-tenant <id>', 'the tenant in the old service; default the same')
    .addOption(mode('--dry-run', 'read and judge everything, write nothing', 'dryRun'))
    .addOption(mode('--verify', 'compare both sides, message by message', 'verify'))
    .addOption(mode('--status', 'say where the tenant stands', 'status'))
    .addOption(mode('--to <state>', 'move the tenant on, or one step back', 'to').choices(Object.keys(movesTo)))
    .addOption(mode('--follow-back', 'feed the old collections from CAAS until told to end', 'followBack'))
    .addOption(mode('--rollback', 'return the tenant to the old service, with all that CAAS has accepted', 'rollback'))
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

const modeOf = (options: Options): Mode => {
  if (options.verify) return compare;
  if (options.status) return tellStatus;
  if (options.to !== undefined) return move;
  if (options.followBack) return followBack;
  if (options.rollback) return goBack;
  return bringOver;
};

const bringOver: Mode = async (sides, { dryRun }, { signal, print, progress, exit }) => {
  const run = dryRun ? undefined : (await sides.ledger.begin(sides.pair, importable)).run;
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

const tell = async ({ ledger, pair }: OpenSides, print: CommandContext['print']): Promise<void> => {
  for (const line of statusLines(await ledger.tenant(pair.tenantId))) print(line);
};

const tellStatus: Mode = (sides, _, { print }) => tell(sides, print);

const move: Mode = async (sides, { to = 'off' }, { signal, print, exit }) => {
  const { ledger, pair } = sides;
  const before = await ledger.tenant(pair.tenantId);
  // The other moves begin no run: that would end the one that follows back.
  if (to === 'dual-write' && before?.state === 'frozen') {
    const { imported, verified } = await cutOver(sides, await sides.log(), signal);
    for (const line of [...importLines(imported, sides.odd), ...verifyLines(verified)]) print(line);
    if (verified.differing > 0) exit(foundFaults);
  } else await ledger.moveTo(pair.tenantId, movesTo[to], to);
  await tell(sides, print);
};

const followBack: Mode = async (sides, _, { signal, print, progress }) => {
  const { ledger, pair } = sides;
  const tenant = await ledger.begin(pair, fedBack);
  let messages = 0;
  const onWritten = (count: number): void => {
    messages += count;
    progress(`${messages} messages written back`);
  };
  const follower = new Follower({ ...sides, ...(await sides.log()), run: tenant.run, onWritten }, tenant);
  await follower.run(signal, async () => !fedBack.includes((await ledger.tenant(pair.tenantId))?.state ?? 'off'));
  print(`written back   ${messages} messages`);
};

const goBack: Mode = async (sides, _, { signal, print, progress, exit }) => {
  const before = await sides.ledger.tenant(sides.pair.tenantId);
  // Nobody has been in CAAS yet.
  if (before?.state === 'frozen') await sides.ledger.moveTo(sides.pair.tenantId, ['frozen'], 'off');
  else {
    const onProgress = (messages: number): void => progress(`${messages} messages written back`);
    const result = await rollBack(sides, await sides.log(), { signal, onProgress });
    for (const line of rollbackLines(result)) print(line);
    if (!result.done) exit(foundFaults);
  }
  await tell(sides, print);
};
