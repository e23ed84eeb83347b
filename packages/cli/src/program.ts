import { Command, CommanderError } from 'commander';
import { type CommandContext, type Register, wrongUsage } from './command.ts';
import { audit } from './commands/audit.ts';
import { migrate } from './commands/migrate.ts';
import { policy } from './commands/policy.ts';
import { privacy } from './commands/privacy.ts';
import { tenant } from './commands/tenant.ts';

const commands: readonly Register[] = [audit, migrate, policy, privacy, tenant];

/** Least time between two lines of progress where there is no terminal, in milliseconds. */
const progressEveryMs = 2_000;

const progressTo = (stream: NodeJS.WriteStream) => {
  let lastMs = Number.NEGATIVE_INFINITY;
  return (line: string): void => {
    if (performance.now() - lastMs < (stream.isTTY ? 100 : progressEveryMs)) return;
    lastMs = performance.now();
    stream.write(stream.isTTY ? `\r${line}\x1b[K` : `${line}\n`);
  };
};

/** Runs one command line; answers the exit code. Throws what a command throws. */
export const program = async (args: readonly string[], signal: AbortSignal): Promise<number> => {
  let exitCode = 0;
  const context: CommandContext = {
    signal,
    print: (line) => void process.stdout.write(`${line}\n`),
    progress: progressTo(process.stderr),
    exit: (code) => {
      exitCode = code;
    },
  };
  const root = new Command('caas').description('Operates CAAS.').exitOverride();
  for (const register of commands) register(root, context);
  try {
    await root.parseAsync([...args], { from: 'user' });
  } catch (thrown) {
    // Commander has printed what is wrong, or the help that was asked for.
    if (!(thrown instanceof CommanderError)) throw thrown;
    return thrown.exitCode === 0 ? 0 : wrongUsage;
  }
  return exitCode;
};
