import { type CaasError, fail } from '@caas/kit';
import { ConversationKind, Role } from '@caas/proto/caas/events/v1/content';
import type { ConversationRules } from '../delivery/local.ts';

/** Who may do what, as pure decisions; each refuses by throwing. */

export const manages = (role: Role): boolean => role === Role.ROLE_ADMIN || role === Role.ROLE_OWNER;

const denied = (message: string): CaasError | never => fail('PERMISSION_DENIED', message);

export const assertOpen = (rules: ConversationRules): void => {
  if (rules.archived) fail('CONVERSATION_ARCHIVED', 'the conversation is archived');
};

export const assertMaySend = (rules: ConversationRules, role: Role): void => {
  assertOpen(rules);
  if (rules.kind === ConversationKind.CONVERSATION_KIND_CHANNEL && !manages(role))
    denied('only admins and owners send in a channel');
};

export const assertMayPin = (rules: ConversationRules, role: Role): void => {
  assertOpen(rules);
  if (rules.kind === ConversationKind.CONVERSATION_KIND_CHANNEL && !manages(role))
    denied('only admins and owners pin in a channel');
};

export const assertManages = (rules: ConversationRules, role: Role): void => {
  if (rules.kind === ConversationKind.CONVERSATION_KIND_DIRECT)
    fail('FAILED_PRECONDITION', 'a direct conversation has no management');
  if (!manages(role)) denied('only admins and owners may do this');
};

export const assertOwner = (rules: ConversationRules, role: Role): void => {
  if (rules.kind === ConversationKind.CONVERSATION_KIND_DIRECT)
    fail('FAILED_PRECONDITION', 'a direct conversation has no roles');
  if (role !== Role.ROLE_OWNER) denied('only owners may do this');
};
