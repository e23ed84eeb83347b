import { newId } from '@caas/kit';
import { JobState } from '@caas/proto/caas/compliance/v1/privacy_service';
import { type Command, InvalidArgumentError } from 'commander';
import { type CommandContext, foundFaults } from '../command.ts';
import { atCompliance } from '../privacy/client.ts';
import { followed, jobLine } from '../privacy/follow.ts';

const dayMs = 24 * 60 * 60 * 1_000;

const daysFrom = (text: string): number => {
  const days = Number(text);
  if (!Number.isFinite(days) || days < 0 || days > 100_000) throw new InvalidArgumentError('a number of days');
  return days;
};

const ofTenant = (command: Command): Command => command.requiredOption('--tenant <id>', 'the tenant');

/** `caas privacy retention`: how long messages are kept. */
export const retention = (parent: Command, context: CommandContext): void => {
  const { signal, print, exit } = context;
  const commands = parent.command('retention').description('How long messages are kept');
  ofTenant(commands.command('set').description('Sets it for a tenant, or for one conversation'))
    .requiredOption('--days <number>', 'how long; 0: no rule', daysFrom)
    .option('--conversation <id>', 'one conversation', '')
    .action(({ tenant, days, conversation }: { tenant: string; days: number; conversation: string }) =>
      atCompliance(async (at) => {
        const keepMs = Math.round(days * dayMs);
        await at.putRetention({ tenantId: tenant, conversationId: conversation, keepMs, actorId: '' }, { signal });
        print(days > 0 ? `kept           ${days} days` : 'no rule');
      }),
    );
  ofTenant(commands.command('list').description('Shows the rules')).action(({ tenant }: { tenant: string }) =>
    atCompliance(async (at) => {
      let after = '';
      for (;;) {
        const { rules } = await at.listRetention({ tenantId: tenant, afterConversationId: after }, { signal });
        for (const { conversationId, keepMs, putBy } of rules)
          print(`${conversationId || '(tenant)'}  ${keepMs / dayMs} days  by ${putBy}`);
        after = rules.at(-1)?.conversationId ?? '';
        if (after === '') return;
      }
    }),
  );
  ofTenant(commands.command('run').description('Applies the rules now'))
    .option('--dry-run', 'nothing goes; tells what would', false)
    .action(({ tenant, dryRun }: { tenant: string; dryRun: boolean }) =>
      atCompliance(async (at) => {
        const asked = { tenantId: tenant, dryRun, requestId: newId(), actorId: '' };
        const { job: started } = await at.startRetention(asked, { signal });
        const job = await followed(at, started, context);
        print(jobLine(job));
        if (job.state !== JobState.JOB_STATE_DONE) exit(foundFaults);
      }),
    );
};
