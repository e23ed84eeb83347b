import type { AuditAct, AuditAction, NotedAction } from '@caas/compliance-client/audit';
import type { CommandContext } from './command.ts';

type About = Pick<AuditAct, 'subjectId' | 'conversationId' | 'details' | 'reason' | 'failed'>;

/** An act of the connection's user, as the audit log takes it. */
export const actOf = <A extends AuditAction>(
  { connection, traceparent }: CommandContext,
  action: A,
  about: About,
): AuditAct<A> => {
  const { tenantId, userId } = connection.claims;
  return { tenantId, action, actor: { kind: 'user', id: userId }, traceparent, ...about };
};

/** Tells the audit log what a command has done. */
export const noteAct = (context: CommandContext, action: NotedAction, about: About): void =>
  context.node.audit.record(actOf(context, action, about));

/** Tells the audit log of each user that something was done to. */
export const noteUsers = (
  context: CommandContext,
  action: NotedAction,
  conversationId: string,
  userIds: readonly string[],
): void => {
  for (const userId of userIds) noteAct(context, action, { subjectId: userId, conversationId });
};
