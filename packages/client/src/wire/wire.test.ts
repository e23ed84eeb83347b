import type { DescField, DescMessage } from '@bufbuild/protobuf';
import { reasonTable } from '@caas/kit';
import { descriptors } from '@caas/proto/descriptor';
import { describe, expect, test } from '@jest/globals';
import { closeRules, reasonKind } from '../errors.ts';
import { type Requests, replyOf, type Verb, writeFrame } from './commands.ts';
import { eventKinds, readFrame, replyKinds, wireError } from './frames.ts';
import { mediaKind, mediaRefusal, mediaState } from './media.ts';
import { attachment, type ConversationKind, content, conversationKind, participantState, role } from './resources.ts';
import type { Kind, MessageKind } from './shape.ts';

/** Fields of requests, held against the types here and against the contract below. */
const requestFields: { [V in Verb]: Record<keyof Required<Requests[V]>, true> } = {
  sendMessage: {
    conversationId: true,
    clientMsgId: true,
    content: true,
    replyToMessageId: true,
    threadRootId: true,
    retry: true,
  },
  editMessage: { conversationId: true, messageId: true, content: true },
  deleteMessage: { conversationId: true, messageId: true, scope: true },
  forwardMessage: { fromConversationId: true, messageId: true, toConversationId: true, clientMsgId: true, retry: true },
  setReaction: { conversationId: true, messageId: true, kind: true, present: true },
  setPin: { conversationId: true, messageId: true, pinned: true },
  createConversation: {
    kind: true,
    clientRef: true,
    title: true,
    avatarUrl: true,
    metadata: true,
    memberIds: true,
    historyForNewMembers: true,
  },
  updateConversation: { conversationId: true, title: true, avatarUrl: true, replaceMetadata: true, metadata: true },
  archiveConversation: { conversationId: true, archived: true },
  addMembers: { conversationId: true, userIds: true },
  removeMembers: { conversationId: true, userIds: true },
  setMemberRole: { conversationId: true, userId: true, role: true },
  leaveConversation: { conversationId: true },
  muteConversation: { conversationId: true, mutedUntilMs: true },
  markDelivered: { conversationId: true, seq: true },
  markRead: { conversationId: true, seq: true },
  setTyping: { conversationId: true, typing: true },
  watchPresence: { userIds: true },
  listConversations: { after: true, limit: true, includeLeft: true },
  getConversation: { conversationId: true },
  listMembers: { conversationId: true, after: true, limit: true },
  getHistory: { conversationId: true, beforeSeq: true, afterSeq: true, aroundSeq: true, limit: true },
  getThread: { conversationId: true, rootMessageId: true, afterSeq: true, limit: true },
  listPins: { conversationId: true },
  sync: { conversations: true, limit: true },
  getUsers: { userIds: true, externalIds: true },
  updateProfile: { displayName: true, avatarUrl: true, replaceMetadata: true, metadata: true },
  renewToken: { accessToken: true },
  createUpload: { name: true, mediaType: true, sizeBytes: true, sha256: true },
  getUpload: { mediaId: true },
  completeUpload: { mediaId: true },
  abortUpload: { mediaId: true },
  getMedia: { conversationId: true, mediaId: true, messageId: true },
  searchMessages: {
    query: true,
    conversationId: true,
    limit: true,
    senderIds: true,
    fromMs: true,
    untilMs: true,
    hasAttachment: true,
    byRelevance: true,
    cursor: true,
  },
};

const messageOf = (name: string): DescMessage => {
  const found = descriptors().getMessage(name);
  if (!found) throw new Error(`no message ${name}`);
  return found;
};
const enumNames = (name: string) =>
  descriptors()
    .getEnum(name)
    ?.values.map((value) => value.name);
const oneofFields = (message: string, oneof: string): DescField[] =>
  messageOf(message).oneofs.find((o) => o.name === oneof)?.fields ?? [];
const namesOf = (fields: readonly DescField[]) => fields.map((field) => field.jsonName).sort();

const scalars: Record<number, string> = { 3: 'int', 5: 'int', 8: 'bool', 9: 'string', 12: 'bytes' };
const typeOf = (field: DescField): string => {
  if (field.fieldKind === 'map') return 'map';
  const one = field.message?.typeName ?? field.enum?.typeName ?? scalars[field.scalar as number] ?? 'unknown';
  return field.fieldKind === 'list' ? `list ${one}` : one;
};
const shapeOf = (kind: MessageKind<unknown>) =>
  Object.fromEntries(Object.entries(kind.shape).map(([name, field]) => [name, (field as Kind<unknown>).name]));

describe('the hand-written wire types are those of the contract:', () => {
  const kinds = [...Object.values(replyKinds), ...Object.values(eventKinds), wireError] as MessageKind<unknown>[];
  const seen = new Map<string, MessageKind<unknown>>(kinds.map((kind) => [kind.name, kind]));
  for (const kind of [attachment, content] as MessageKind<unknown>[]) seen.set(kind.name, kind);
  test.each([...seen])('%s', (name, kind) => {
    const fields = messageOf(name).fields;
    expect(shapeOf(kind)).toEqual(Object.fromEntries(fields.map((field) => [field.jsonName, typeOf(field)])));
  });

  test('commands and their fields', () => {
    const commands = oneofFields('caas.socket.v1.ClientFrame', 'command');
    expect(Object.keys(replyOf).sort()).toEqual(namesOf(commands));
    for (const command of commands) {
      const fields = requestFields[command.jsonName as Verb];
      expect([command.jsonName, Object.keys(fields).sort()]).toEqual([
        command.jsonName,
        namesOf(command.message?.fields ?? []),
      ]);
    }
  });

  test('replies and events', () => {
    expect(Object.keys(replyKinds).sort()).toEqual(namesOf(oneofFields('caas.socket.v1.Reply', 'result')));
    expect(Object.keys(eventKinds).sort()).toEqual(namesOf(oneofFields('caas.socket.v1.Event', 'event')));
  });

  test('enums', () => {
    const prefixes: [Kind<string>, string][] = [
      [conversationKind as Kind<ConversationKind>, 'CONVERSATION_KIND_'],
      [role, 'ROLE_'],
      [participantState, 'PARTICIPANT_STATE_'],
      [reasonKind, 'ERROR_REASON_'],
      [mediaState, 'MEDIA_STATE_'],
      [mediaKind, 'MEDIA_KIND_'],
      [mediaRefusal, 'MEDIA_REFUSAL_'],
    ];
    for (const [kind, prefix] of prefixes) {
      for (const name of enumNames(kind.name) ?? []) expect(prefix + kind.read(name)).toBe(name);
      expect(kind.read('A_NAME_OF_TOMORROW')).toBe('UNSPECIFIED');
    }
    expect(enumNames('caas.socket.v1.DeleteScope')).toEqual(
      expect.arrayContaining(['DELETE_SCOPE_FOR_ME', 'DELETE_SCOPE_FOR_EVERYONE']),
    );
  });

  test('close codes', () => {
    const reasons = new Map([...reasonTable].filter(([, rule]) => rule.close > 0));
    expect(new Set([...reasons.values()].map((rule) => rule.close))).toEqual(new Set(closeRules.keys()));
    for (const [code, { reason, retryable, retryAfterMs }] of closeRules) {
      expect(reasons.get(reason as never)).toMatchObject({ close: code, retryable, retryAfterMs });
    }
  });
});

describe('a frame', () => {
  test('has every field, absent ones by their default, numbers in either form', () => {
    const frame = readFrame('{"event":{"message":{"messageId":"m","position":"12","content":{"text":"hi"}}}}');
    expect(frame).toMatchObject({
      type: 'event',
      event: {
        name: 'message',
        value: { messageId: 'm', position: 12, seq: 0, reactions: [], content: { text: 'hi', mentions: [] } },
      },
    });
  });

  test('of a newer node is told apart from those known', () => {
    expect(readFrame('{"event":{"somethingNew":{}}}')).toEqual({ type: 'unknown', id: '' });
    expect(readFrame('{"id":"7","reply":{"toString":{}}}')).toEqual({ type: 'unknown', id: '7' });
  });

  test('carries its id, one command and the trace context', () => {
    expect(JSON.parse(writeFrame('a', 'getUsers', { userIds: ['u'] }, '00-1-2-01'))).toEqual({
      id: 'a',
      traceparent: '00-1-2-01',
      getUsers: { userIds: ['u'] },
    });
  });
});
