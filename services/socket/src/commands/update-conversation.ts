import { assertLine, assertPictureUrl } from '../model/content.ts';
import { assertManages, assertOpen } from '../model/rules.ts';
import { actingMember, commitChange } from './act.ts';
import { noteAct } from './audited.ts';
import type { Command } from './command.ts';
import { changedConversation } from './entries.ts';

/** Changes title, picture or metadata. */
export const updateConversation: Command<'updateConversation'> = async (context, request) => {
  const { conversationId, title, avatarUrl, replaceMetadata, metadata } = request;
  const { rules, member } = await actingMember(context, conversationId);
  assertLine(title, 'title');
  if (avatarUrl !== undefined) assertPictureUrl(avatarUrl);
  assertManages(rules, member.role);
  assertOpen(rules);
  await commitChange(context, conversationId, {
    $case: 'metaChanged',
    value: { title, avatarUrl, replaceMetadata, metadata },
  });
  const changed = [
    ...(title === undefined ? [] : ['title']),
    ...(avatarUrl === undefined ? [] : ['avatar_url']),
    ...(replaceMetadata ? ['metadata'] : []),
  ];
  noteAct(context, 'conversation.updated', {
    subjectId: conversationId,
    conversationId,
    details: { changed: changed.join(' ') },
  });
  return changedConversation(context, conversationId);
};
