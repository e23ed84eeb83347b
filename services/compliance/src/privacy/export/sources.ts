import type { EntryPlace, EntryQuery } from '@caas/audit-store';
import { type ReadContent, readContents } from '@caas/compliance-client/keys';
import { toCaasError } from '@caas/kit';
import { AuditEntry } from '@caas/proto/caas/compliance/v1/audit_service';
import { ConversationKind, ParticipantState, Role } from '@caas/proto/caas/events/v1/content';
import type { ConversationDocument, MessageDocument, ParticipantDocument } from '@caas/proto/caas/events/v1/documents';
import { MediaState } from '@caas/proto/caas/media/v1/resources';
import { exportMessages, exportPage } from '../../limits.ts';
import type { PrivacyCore } from '../core.ts';
import { conversationAt, messagesAfter } from '../scan.ts';
import { type ExportFile, LineFiles } from './files.ts';

/** What there is of a user, each kind from where it is kept, a page at a time. Field names are those of the contract. */

export interface Whose {
  tenantId: string;
  userId: string;
  traceparent: string;
}

const nameOf = <E extends Record<string, unknown>>(literals: E, value: unknown): string =>
  Object.keys(literals).find((name) => literals[name] === value) ?? String(value);

/** The sessions, by id. */
export async function* sessionLines(core: PrivacyCore, whose: Whose): AsyncGenerator<object> {
  let afterSessionId = '';
  for (;;) {
    const { sessions } = await core.accounts.getUserData({ ...whose, afterSessionId }, whose);
    yield* sessions;
    const last = sessions.at(-1);
    if (!last) return;
    afterSessionId = last.sessionId;
  }
}

/** Where the user is or was, by conversation id. */
async function* participations(core: PrivacyCore, { tenantId, userId }: Whose): AsyncGenerator<ParticipantDocument> {
  const { participants } = core.messages;
  let afterConversationId = '';
  for (;;) {
    const page = await participants.ofUser(tenantId, userId, {
      afterConversationId,
      limit: exportPage,
      activeOnly: false,
    });
    yield* page;
    const last = page.at(-1);
    if (!last) return;
    afterConversationId = last.conversationId;
  }
}

export async function* conversationLines(core: PrivacyCore, whose: Whose): AsyncGenerator<object> {
  for await (const own of participations(core, whose)) {
    const conversation = await conversationAt(core.messages, own);
    const { conversationId, joinedAtMs, leftAtMs, deliveredSeq, readSeq, mutedUntilMs } = own;
    yield {
      conversationId,
      ...(conversation && {
        kind: nameOf(ConversationKind, conversation.kind),
        createdByUser: conversation.createdBy === whose.userId,
      }),
      role: nameOf(Role, own.role),
      state: nameOf(ParticipantState, own.state),
      ...{ joinedAtMs, leftAtMs, deliveredSeq, readSeq, mutedUntilMs },
    };
  }
}

const contentLine = (content: ReadContent): object | undefined =>
  content === 'unreadable' ? { unreadable: true } : content;

const messageLine = (message: MessageDocument, content: ReadContent, edits: readonly ReadContent[]): object => ({
  conversationId: message.conversationId,
  messageId: message.messageId,
  clientMsgId: message.clientMsgId,
  seq: message.seq,
  acceptedAtMs: message.acceptedAtMs,
  content: contentLine(content),
  ...(message.replyToMessageId !== '' && { replyToMessageId: message.replyToMessageId }),
  ...(message.threadRootId !== '' && { threadRootId: message.threadRootId }),
  ...(message.forwardedFrom && { forwardedFrom: message.forwardedFrom }),
  ...(message.editedAtMs > 0 && { editedAtMs: message.editedAtMs }),
  ...(message.deletedAtMs > 0 && { deletedAtMs: message.deletedAtMs }),
  ...(edits.length > 0 && {
    edits: edits.map((edit, i) => ({ content: contentLine(edit), replacedAtMs: message.edits[i]?.replacedAtMs })),
  }),
});

/** The user's own messages among these, opened with one call for their keys. */
const ownLines = async ({ ring }: PrivacyCore, messages: readonly MessageDocument[]): Promise<object[]> => {
  const standing = messages.flatMap((message) => [
    message,
    ...message.edits.map(({ content }) => ({ ...message, content })),
  ]);
  const contents = await readContents(ring, standing);
  let at = 0;
  return messages.map((message) => {
    const first = at;
    at += 1 + message.edits.length;
    return messageLine(message, contents[first], contents.slice(first + 1, at));
  });
};

/** What the user said and how they reacted, in the order of conversations; both are found by one reading of them. */
export async function* messageFiles(
  core: PrivacyCore,
  whose: Whose,
  onRead: (messages: number) => Promise<void>,
): AsyncGenerator<ExportFile> {
  const { userId } = whose;
  const files = { messages: new LineFiles('messages'), reactions: new LineFiles('reactions') };
  for await (const own of participations(core, whose)) {
    const conversation = await conversationAt(core.messages, own);
    for await (const page of conversation ? pages(core, conversation) : []) {
      const lines = await ownLines(
        core,
        page.filter(({ senderId }) => senderId === userId),
      );
      for (const full of lines.map((line) => files.messages.add(line))) if (full) yield full;
      for (const full of reactionLines(page, userId).map((line) => files.reactions.add(line))) if (full) yield full;
      await onRead(page.length);
    }
  }
  for (const rest of [files.messages.rest(), files.reactions.rest()]) if (rest) yield rest;
}

async function* pages(core: PrivacyCore, conversation: ConversationDocument): AsyncGenerator<MessageDocument[]> {
  let seq = 0;
  for (;;) {
    const page = await messagesAfter(core.messages, conversation, seq, exportMessages);
    const last = page.at(-1);
    if (!last) return;
    yield page;
    seq = last.seq;
  }
}

const reactionLines = (messages: readonly MessageDocument[], userId: string): object[] =>
  messages.flatMap(({ conversationId, messageId, reactions }) =>
    reactions
      .filter(({ userIds }) => userIds.includes(userId))
      .map(({ kind }) => ({ conversationId, messageId, kind })),
  );

/** Each upload: its line, and its bytes where there are some. */
export async function* mediaFiles(core: PrivacyCore, whose: Whose): AsyncGenerator<ExportFile> {
  const lines = new LineFiles('media');
  let afterMediaId = '';
  for (;;) {
    const { media } = await core.media.listUserMedia({ ...whose, afterMediaId }, whose);
    const last = media.at(-1);
    if (!last) break;
    for (const { waveform, renditions, capabilitiesMissing, ...each } of media) {
      const original = renditions.find(({ name }) => name === 'original');
      const path = `media/files/${each.mediaId}`;
      const isThere = each.state === MediaState.MEDIA_STATE_COMMITTED && original !== undefined;
      const { tenantId } = whose;
      // One that is lost must not cost the user all others.
      const body = isThere && (await begun(core.media.readMedia({ tenantId, mediaId: each.mediaId }, whose)));
      const where = body ? { path } : isThere ? { missing: true } : {};
      const full = lines.add({ ...each, state: nameOf(MediaState, each.state), ...where });
      if (full) yield full;
      if (body && original) yield { path, sizeBytes: original.sizeBytes, body };
    }
    afterMediaId = last.mediaId;
  }
  const rest = lines.rest();
  if (rest) yield rest;
}

/** A file once its first bytes are there; undefined: it is lost. */
const begun = async (chunks: AsyncIterable<{ chunk: Uint8Array }>): Promise<AsyncIterable<Uint8Array> | undefined> => {
  const reading = chunks[Symbol.asyncIterator]();
  try {
    return bytesOf(await reading.next(), reading);
  } catch (fault) {
    if (toCaasError(fault).reason === 'NOT_FOUND') return undefined;
    throw fault;
  }
};

async function* bytesOf(
  first: IteratorResult<{ chunk: Uint8Array }>,
  rest: AsyncIterator<{ chunk: Uint8Array }>,
): AsyncGenerator<Uint8Array> {
  try {
    for (let now = first; !now.done; now = await rest.next()) yield now.value.chunk;
  } finally {
    await rest.return?.();
  }
}

/** Entries of the audit log by the user and about them, newest first. */
export async function* auditLines(core: PrivacyCore, { tenantId, userId }: Whose): AsyncGenerator<object> {
  const queries: Pick<EntryQuery, 'actorId' | 'subjectId'>[] = [{ actorId: userId }, { subjectId: userId }];
  for (const query of queries) {
    let after: EntryPlace | undefined;
    for (;;) {
      const found = await core.audit.trees.query({ tenantId, ...query, ...(after && { after }), limit: exportPage });
      if (found.length === 0) break;
      for (const { leaf } of found) {
        const entry = AuditEntry.decode(leaf);
        // By them and about them is told once.
        if (query.subjectId === undefined || entry.event?.actorId !== userId) yield AuditEntry.toJSON(entry) as object;
      }
      after = found.at(-1);
    }
  }
}
