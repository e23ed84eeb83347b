import type { RolledBack } from './back/roll-back.ts';
import type { ImportReport } from './import/import-tenant.ts';
import type { TenantRow } from './ledger.ts';
import type { Oddities } from './old/odd.ts';
import type { VerifyReport } from './verify/verify-tenant.ts';

/** What a run says in the end, line by line. */

export const importLines = ({ conversations, messages, systemLines, strayMessages }: ImportReport, odd: Oddities) => [
  `conversations  ${conversations.imported} imported, ${conversations.unchanged} unchanged, ${conversations.live} live in CAAS, ${conversations.odd} odd`,
  `messages       ${messages} read`,
  ...(systemLines > 0 ? [`left aside     ${systemLines} system lines`] : []),
  ...(strayMessages > 0 ? [`left out       ${strayMessages} messages of no conversation`] : []),
  ...(odd.total > 0 ? [`left out       ${odd.total} odd documents:`] : []),
  ...Object.entries(odd.counts).map(([reason, count]) => `  ${count} × ${reason}`),
];

export const verifyLines = ({ conversations, messages, checksum, differing, named }: VerifyReport) => [
  `compared       ${conversations} conversations, ${messages} messages`,
  `checksum       ${checksum}`,
  differing === 0 ? 'equal' : `DIFFERENT      ${differing} conversations`,
  ...named.map(({ conversationId, differences }) => `  ${conversationId}: ${differences.join('; ')}`),
  ...(differing > named.length ? [`  and ${differing - named.length} more`] : []),
];

export const statusLines = (tenant: TenantRow | undefined) => {
  if (!tenant) return ['state          off: nothing was ever imported'];
  const { state, write, read, oldTenantId, keptBack, history } = tenant;
  return [
    `state          ${state}, since ${history.at(-1)?.at.toISOString()}`,
    `users          send to ${write}, read from ${read}; in the old service they are of ${oldTenantId}`,
    ...keptBack.map((conversationId) => `put aside      something accepted in conversation ${conversationId}`),
  ];
};

export const rollbackLines = ({ messages, sessions, verified, done }: RolledBack) => [
  `written back   ${messages} messages; ${sessions} sessions ended`,
  ...verifyLines(verified),
  ...(done ? [] : ['NOT returned: put right what is named, then run it again']),
];
