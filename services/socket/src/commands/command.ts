import type { UserStore } from '@caas/account-store';
import type { AuditWriter } from '@caas/compliance-client/audit';
import type { PolicyClient } from '@caas/compliance-client/policy-client';
import type { Clock, Logger } from '@caas/kit';
import type { MessageStore } from '@caas/message-store';
import type { ClientFrame } from '@caas/proto/caas/socket/v1/commands';
import type { Reply } from '@caas/proto/caas/socket/v1/server_frames';
import type { CommitWatch } from '../delivery/commit-watch.ts';
import type { Contents } from '../delivery/contents.ts';
import type { JoinClaims } from '../delivery/join-claims.ts';
import type { LocalDirectory } from '../delivery/local-directory.ts';
import type { Messages } from '../delivery/messages.ts';
import type { Ephemeral } from '../delivery/presence.ts';
import type { RecentSends } from '../delivery/recent-sends.ts';
import type { Connection } from '../edge/connection.ts';
import type { FaultLog } from '../edge/fault-log.ts';
import type { Gate } from '../edge/gate.ts';
import type { ReadBudget } from '../edge/read-budget.ts';
import type { NodeBounds } from '../limits.ts';
import type { MediaClient } from '../media-client.ts';
import type { SearchClient } from '../search-client.ts';

/** What commands work with. */
export interface NodeServices {
  readonly nodeId: string;
  /** Refuses at once while it is known to be away. */
  readonly store: MessageStore;
  readonly users: UserStore;
  readonly audit: AuditWriter;
  readonly policies: Pick<PolicyClient, 'follow' | 'judge' | 'hold'>;
  readonly directory: LocalDirectory;
  readonly messages: Messages;
  readonly contents: Contents;
  readonly media: MediaClient;
  readonly commits: CommitWatch;
  readonly ephemeral: Ephemeral;
  readonly recentSends: RecentSends;
  readonly joins: JoinClaims;
  readonly gate: Gate;
  /** Undefined: this installation has no search. */
  readonly search: SearchClient | undefined;
  readonly reads: ReadBudget;
  readonly bounds: Readonly<NodeBounds>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly faults: FaultLog;
  /** Key of content hashes, the same on every node. */
  readonly hashKey: string;
}

/** One command of one connection. */
export interface CommandContext {
  readonly node: NodeServices;
  readonly connection: Connection;
  readonly traceparent: string;
  readonly traceId: string;
  /** Its place in the order of the connection's commands is taken: the next one may begin. */
  admitted(): void;
}

type CommandCase = NonNullable<ClientFrame['command']>;
export type CommandName = CommandCase['$case'];
export type RequestOf<N extends CommandName> = Extract<CommandCase, { $case: N }>['value'];
export type Result = NonNullable<Reply['result']>;

/** A verb: authorises, decides, has its effect, and resolves with what it answers; refuses by throwing CaasError. */
export type Command<N extends CommandName> = (context: CommandContext, request: RequestOf<N>) => Promise<Result>;

export const done = (context: CommandContext): Result => ({ $case: 'done', value: { traceId: context.traceId } });

export const accepted = (
  context: CommandContext,
  messageId: string,
  position: number,
  acceptedAtMs: number,
): Result => ({
  $case: 'accepted',
  value: { messageId, position, traceId: context.traceId, acceptedAtMs },
});
