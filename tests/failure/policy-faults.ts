import { CaasClientError } from '@caas/client';
import { until } from '@caas/kit/testing/until';
import {
  ContentPolicy,
  PolicyAction,
  type PolicyRule,
  PolicyServiceService,
} from '@caas/proto/caas/compliance/v1/policy_service';
import { type Fault, killed, type Scene, startedAgain } from './faults.ts';
import type { Member } from './fleet.ts';
import { pause } from './pause.ts';
import type { World } from './world.ts';

/** A word the load never says. */
const banned = 'badger';
const rule: PolicyRule = {
  ruleId: 'no-badgers',
  match: { $case: 'words', value: { words: [banned] } },
  action: PolicyAction.POLICY_ACTION_REJECT,
  publicReason: 'not here',
  remoteReview: false,
};
/** How long a policy may take to be in force, in milliseconds. */
const inForceMs = 20_000;
/** How long a send may take while compliance is away, in milliseconds. */
const sendMs = 15_000;
/** How long it stays away: longer than a node goes on without a word (SOCKET_POLICY_HOLD), in milliseconds. */
const awayMs = [17_000, 20_000] as const;

/** Closed: without a verdict every text of the tenant would be refused. */
const putPolicy = async ({ services }: World, tenantId: string): Promise<void> => {
  const policies = services.asOperator(PolicyServiceService, services.complianceAddress);
  try {
    await policies.putPolicy({ policy: ContentPolicy.fromPartial({ tenantId, rules: [rule] }) });
  } finally {
    policies.close();
  }
};

let said = 0;
/** Whether what the policy rejects is rejected; false: it was said. Resolves when there is a verdict. */
const rejects = async ({ userId, sdk, recorder }: Member, conversation: string): Promise<boolean> => {
  const clientMsgId = `banned-${++said}`;
  recorder.write({ client: userId, event: 'banned', conversation, clientMsgId });
  try {
    await recorder.send(sdk, conversation, clientMsgId, `a ${banned}`);
    return false;
  } catch (thrown) {
    if (thrown instanceof CaasClientError && thrown.reason === 'CONTENT_REJECTED') return true;
    throw thrown;
  }
};

/** Throws unless it is rejected, for which there is a time. */
const assertRejects = async (member: Member, conversationId: string, when: string): Promise<void> => {
  const late = pause(sendMs).then(() => Promise.reject(new Error(`no verdict ${when}`)));
  if (!(await Promise.race([rejects(member, conversationId), late])))
    throw new Error(`what the policy rejects was said ${when}`);
};

const someone = ({ members }: Scene): [Member, string] => {
  const [member] = members as [Member];
  return [member, member.conversations[0] as string];
};

/** The tenant that talks has a policy before, while and after a fault. What else must hold is judged as in any cell. */
export const judged =
  (fault: Fault): Fault =>
  async (world, chance, scene) => {
    const [member, conversation] = someone(scene);
    await putPolicy(world, scene.tenantId);
    // Nodes have it a moment later.
    await until('the policy is in force', () => rejects(member, conversation), Boolean, inForceMs);
    await fault(world, chance, scene);
    await assertRejects(member, conversation, 'after the fault');
  };

/**
 * Compliance ends with no word, then a node, which starts without it; both tenants go on to talk, each send is accepted, and
 * what the policy rejects is rejected.
 */
export const withoutCompliance: Fault = async (world, chance, scene) => {
  const compliance = world.process('compliance');
  const [member, conversation] = someone(scene);
  await compliance.kill();
  try {
    const untilMs = Date.now() + chance.whole(...awayMs);
    await killed('socket-1')(world, chance, scene);
    for (let n = 0; Date.now() < untilMs; n += 1) {
      const { sdk, recorder, conversations } = scene.members[n % scene.members.length] as Member;
      const sent = recorder.send(sdk, conversations[0] as string, `away-${n}`, 'compliance is away');
      const late = pause(sendMs).then(() => Promise.reject(new Error('a send waits for compliance that is away')));
      await Promise.race([sent, late]);
      await pause(500);
    }
    await assertRejects(member, conversation, 'without compliance');
  } finally {
    await startedAgain(compliance);
  }
};
