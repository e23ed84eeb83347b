import { ConversationKind, ParticipantState, Role } from '@caas/proto/caas/events/v1/content';
import { ParticipantDocument } from '@caas/proto/caas/events/v1/documents';
import { HeadNotice } from '@caas/proto/caas/events/v1/node_envelope';
import type { Event } from '@caas/proto/caas/socket/v1/server_frames';
import { expect, test } from '@jest/globals';
import { defaultBounds } from '../limits.ts';
import { Contents } from './contents.ts';
import { Heads, maxMembersToldReceipts } from './heads.ts';

/** Nothing is sealed here, so no key is asked for. */
const inTheClear = new Contents({} as never, false);

const { CONVERSATION_KIND_GROUP: group, CONVERSATION_KIND_CHANNEL: channel } = ConversationKind;

/** What a node tells of one participant whose change came with records of a topic. */
const toldOf = (kind: ConversationKind, members: number, topic: string): string[] => {
  const conversation = {
    ...{ tenantId: 't', conversationId: 'c', headRev: 1, membersRev: 1, membersStale: 0, decidedPosition: 0 },
    members: new Map(Array.from({ length: members }, (_, i) => [`u${i}`, {}])),
    rules: { kind },
  };
  const told: string[] = [];
  const directory = { conversation: () => conversation, applyParticipant: () => undefined };
  const turn = { publish: (_: unknown, { event }: Event) => void told.push(event?.$case ?? '') };
  const commits = { applied: () => undefined };
  const clock = { now: () => 0 };
  const store = {};
  const logger = {};
  const heads = new Heads(
    ...([store, directory, turn, commits, inTheClear, defaultBounds, clock, logger] as unknown as Parts),
  );
  const value = ParticipantDocument.fromPartial({
    ...{ tenantId: 't', conversationId: 'c', userId: 'u1', rev: 2, readSeq: 1 },
    role: Role.ROLE_MEMBER,
    state: ParticipantState.PARTICIPANT_STATE_ACTIVE,
  });
  heads.noticed({
    ...HeadNotice.fromPartial({ tenantId: 't', conversationId: 'c', prevHeadRev: 1, headRev: 2 }),
    applied: { [`${topic}-0`]: 7 },
    changes: [{ document: { $case: 'participant', value } }],
  });
  return told;
};
type Parts = ConstructorParameters<typeof Heads>;

test('how far one has read is told in groups, not in channels, nor to more members of a node than the limit', () => {
  const told = ['participantChanged', 'head'];
  expect(toldOf(group, maxMembersToldReceipts, 'message.delivered')).toEqual(told);
  expect(toldOf(group, maxMembersToldReceipts + 1, 'message.delivered')).toEqual(['head']);
  expect(toldOf(channel, 2, 'message.delivered')).toEqual(['head']);
});

test('comings, goings and roles are told to however many', () => {
  for (const kind of [group, channel])
    expect(toldOf(kind, maxMembersToldReceipts + 1, 'conversation.updated')).toEqual(['participantChanged', 'head']);
});
