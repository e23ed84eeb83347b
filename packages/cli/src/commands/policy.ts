import { compilePolicy, type Evaluator } from '@caas/compliance-client/policy';
import { CaasError } from '@caas/kit';
import { ConfigError } from '@caas/kit/config';
import { ContentPolicy, PolicyServiceService } from '@caas/proto/caas/compliance/v1/policy_service';
import { InvalidArgumentError } from 'commander';
import { withCompliance } from '../at-compliance.ts';
import { type CommandContext, foundFaults, type Register } from '../command.ts';
import { policyIn } from '../policy/file.ts';

/** `caas policy`: a tenant's content policy, read and put at compliance, and tried out before it is. */
export const policy: Register = (program, context) => {
  const commands = program.command('policy').description('Content policies; see docs/compliance/policy.md');
  commands
    .command('get')
    .description("Prints a tenant's policy as JSON")
    .requiredOption('--tenant <id>', 'the tenant')
    .option('--version <number>', 'an earlier version; default the current one', versionOf, 0)
    .action((options: { tenant: string; version: number }) => get(options, context));
  commands
    .command('put')
    .description('Makes the policy of a file the current one; its version is the one you have seen')
    .requiredOption('--tenant <id>', 'the tenant')
    .argument('<file>', 'as get prints it')
    .action((file: string, { tenant }: { tenant: string }) => put(file, tenant, context));
  commands
    .command('check')
    .description('Says whether the policy of a file can be applied, and what it says of texts; needs no network')
    .argument('<file>', 'as get prints it')
    .argument('[text...]', 'texts to judge')
    .action((file: string, texts: string[]) => check(file, texts, context));
};

const versionOf = (text: string): number => {
  if (!/^[1-9]\d{0,14}$/.test(text)) throw new InvalidArgumentError('must be a whole number from 1 on.');
  return Number(text);
};

const get = ({ tenant: tenantId, version }: { tenant: string; version: number }, { print }: CommandContext) =>
  withCompliance(PolicyServiceService, async (policies) => {
    const { policy: found } = await policies.getPolicy({ tenantId, version });
    print(JSON.stringify(ContentPolicy.toJSON(found as ContentPolicy), undefined, 2));
  });

const put = async (file: string, tenantId: string, { print }: CommandContext): Promise<void> => {
  const seen = await policyIn(file);
  if (seen.tenantId !== '' && seen.tenantId !== tenantId)
    throw new ConfigError(`${file} is the policy of another tenant, ${seen.tenantId}`);
  await withCompliance(PolicyServiceService, async (policies) => {
    const { policy: now } = await policies.putPolicy({ policy: { ...seen, tenantId } });
    print(`version ${now?.version}`);
  });
};

/** A line of JSON for each text: what happens to it, by which rules. */
const check = async (file: string, texts: readonly string[], { print, exit }: CommandContext): Promise<void> => {
  const evaluator = compiled(await policyIn(file));
  if (evaluator instanceof CaasError) {
    print(evaluator.message);
    exit(foundFaults);
    return;
  }
  print('can be applied');
  for (const text of texts) {
    const judged = evaluator.judge(text, { maxSteps: Number.POSITIVE_INFINITY });
    print(JSON.stringify(judged));
  }
};

const compiled = (of: ContentPolicy): Evaluator | CaasError => {
  try {
    return compilePolicy(of);
  } catch (thrown) {
    if (thrown instanceof CaasError) return thrown;
    throw thrown;
  }
};
