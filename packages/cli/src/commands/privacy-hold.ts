import type { Command } from 'commander';
import type { CommandContext } from '../command.ts';
import { atCompliance } from '../privacy/client.ts';

interface Put {
  tenant: string;
  id: string;
  reason: string;
  user?: string;
  conversation?: string;
}

const byId = (command: Command): Command =>
  command.requiredOption('--tenant <id>', 'the tenant').requiredOption('--id <id>', 'id of the hold');

/** `caas privacy hold`: what may not be erased. */
export const hold = (parent: Command, { signal, print }: CommandContext): void => {
  const commands = parent.command('hold').description('Legal holds, which beat erasure and retention');
  byId(commands.command('put').description('Holds a user, a conversation or, without either, the whole tenant'))
    .requiredOption('--reason <text>', 'why, for the record')
    .option('--user <id>', 'the user')
    .option('--conversation <id>', 'the conversation')
    .action(({ tenant, id, reason, user = '', conversation = '' }: Put) =>
      atCompliance(async (at) => {
        const named = { tenantId: tenant, holdId: id, userId: user, conversationId: conversation, reason };
        await at.putLegalHold({ hold: { ...named, putBy: '', putAtMs: 0 } }, { signal });
        print(`held           ${id}`);
      }),
    );
  byId(commands.command('release').description('Ends a hold')).action(({ tenant, id }: Put) =>
    atCompliance(async (at) => {
      await at.releaseLegalHold({ tenantId: tenant, holdId: id, actorId: '' }, { signal });
      print(`released       ${id}`);
    }),
  );
  commands
    .command('list')
    .description("Shows a tenant's holds with their reasons")
    .requiredOption('--tenant <id>', 'the tenant')
    .action(({ tenant }: { tenant: string }) =>
      atCompliance(async (at) => {
        const { holds } = await at.listLegalHolds({ tenantId: tenant }, { signal });
        for (const { holdId, userId, conversationId, reason, putBy, putAtMs } of holds) {
          const held = userId ? `user ${userId}` : conversationId ? `conversation ${conversationId}` : 'tenant';
          print(`${holdId}  ${held}  by ${putBy} at ${new Date(putAtMs).toISOString()}  ${reason}`);
        }
      }),
    );
};
