import { tenantLimitCeilings } from '@caas/kit';
import { ObjectId } from 'mongodb';
import { z } from 'zod';

/*
 * The collections of the old messaging-service, field by field as docs/migration.md has them. Other fields are not looked
 * at; a document that does not fit is odd: it is told and counted, never repaired.
 */

const objectId = z.instanceof(ObjectId, { error: 'not an ObjectId' });
const date = z.date({ error: 'not a date' });
/** The old service wrote null where it knew nothing, and earlier versions of it nothing at all. */
const maybe = <T extends z.ZodType>(type: T) => type.nullish().transform((value) => value ?? undefined);

/** The tenant's own name of a user. */
const userId = z.string().min(1).max(256);
const text = z
  .string()
  .refine((value) => Buffer.byteLength(value) <= tenantLimitCeilings.maxTextBytes, {
    error: `more than ${tenantLimitCeilings.maxTextBytes} bytes`,
  })
  .refine((value) => !value.includes('\0') && value.isWellFormed(), { error: 'not well-formed Unicode without NUL' });
/** At most 20 entries, as the contract of CAAS has it. */
const metadata = z
  .record(z.string().max(1_024), z.string().max(1_024))
  .refine((value) => Object.keys(value).length <= 20, { error: 'more than 20 entries' });

/** What the write-back notes on what it wrote: of which tenant of CAAS it is, and which document. */
const origin = z.object({
  tenantId: z.string(),
  conversationId: z.string().optional(),
  messageId: z.string().optional(),
  acceptedAt: z.date().optional(),
  /** Of a participant whom another member removed, where CAAS does not say who. */
  removed: z.boolean().optional(),
});

export const oldConversation = z.object({
  _id: objectId,
  tenantId: z.string(),
  type: z.enum(['direct', 'group', 'channel']),
  name: maybe(z.string().max(1_024)),
  avatarUrl: maybe(z.string().max(2_048)),
  metadata: maybe(metadata),
  createdBy: userId,
  createdAt: date,
  archivedAt: maybe(date),
  caas: maybe(origin),
});
export type OldConversation = z.output<typeof oldConversation>;

export const oldParticipant = z.object({
  _id: objectId,
  tenantId: z.string(),
  conversationId: objectId,
  userId,
  displayName: maybe(z.string().max(256)),
  role: z.enum(['member', 'admin', 'owner']),
  joinedAt: date,
  leftAt: maybe(date),
  removedBy: maybe(userId),
  lastReadAt: maybe(date),
  mutedUntil: maybe(date),
  caas: maybe(origin),
});
export type OldParticipant = z.output<typeof oldParticipant>;

const attachment = z.object({
  id: z.string().min(1).max(64),
  name: z.string().max(256).default(''),
  mimeType: z.string().max(128).default(''),
  size: z.number().int().min(0).default(0),
  url: maybe(z.string()),
});
export type OldAttachment = z.output<typeof attachment>;

const reactions = z
  .array(z.object({ emoji: z.string().min(1).max(64), userId }))
  .max(1_000)
  .refine((all) => new Set(all.map(({ emoji }) => emoji)).size <= tenantLimitCeilings.maxReactionKinds, {
    error: `more than ${tenantLimitCeilings.maxReactionKinds} kinds`,
  });

export const oldMessage = z
  .object({
    _id: objectId,
    tenantId: z.string(),
    conversationId: objectId,
    senderId: userId,
    text: maybe(text),
    attachments: maybe(z.array(attachment).max(tenantLimitCeilings.maxAttachments)),
    mentions: maybe(z.array(userId).max(tenantLimitCeilings.maxMentions)),
    metadata: maybe(metadata),
    replyTo: maybe(objectId),
    threadId: maybe(objectId),
    forwardedFrom: maybe(z.object({ messageId: objectId, senderId: userId })),
    createdAt: date,
    editedAt: maybe(date),
    editHistory: maybe(z.array(z.object({ text, replacedAt: date }))),
    deletedAt: maybe(date),
    deletedBy: maybe(userId),
    deletedFor: maybe(z.array(userId)),
    reactions: maybe(reactions),
    pinnedAt: maybe(date),
    pinnedBy: maybe(userId),
    caas: maybe(origin),
  })
  .refine((m) => m.deletedAt !== undefined || Boolean(m.text) || Boolean(m.attachments?.length), {
    error: 'neither text nor attachment',
  });
export type OldMessage = z.output<typeof oldMessage>;

/** Earlier contents kept of one message, as the workers of CAAS keep them; the oldest go first. */
export const maxEditsKept = 50;
