import { ParticipantState, Role } from '@caas/proto/caas/events/v1/content';
import type {
  ConversationDocument,
  HiddenDocument,
  MessageDocument,
  ParticipantDocument,
} from '@caas/proto/caas/events/v1/documents';
import { applyEvents } from '../apply/apply-events.ts';
import type { ConversationEvent, EventRecord, Outcome } from '../apply/model.ts';
import { emptyConversation } from '../apply/new-documents.ts';
import { aConversation, topicOf } from './builders.ts';

const key = { tenantId: 't1', conversationId: 'c1' };

/** Which of its documents an attempt comes to write. */
export type Share = 'all' | 'some' | number;

/** A store of one conversation in memory, written as a worker does: documents first, then the head. */
export class Room {
  head: ConversationDocument | undefined;
  messages = new Map<string, MessageDocument>();
  participants = new Map<string, ParticipantDocument>();
  hidden = new Map<string, HiddenDocument>();
  epoch = 1;
  readonly #offsets = new Map<string, number>();

  /** Records as the log would hold them: an offset of its own in each topic. */
  records(events: readonly ConversationEvent[]): EventRecord[] {
    return events.map((event) => {
      const topic = topicOf(event);
      const offset = this.#offsets.get(topic) ?? 0;
      this.#offsets.set(topic, offset + 1);
      return { topic, partition: 0, offset, traceparent: '', event };
    });
  }

  apply(records: readonly EventRecord[]): Outcome {
    // What fencing leaves behind in a conversation that is not there yet.
    const fence = records.some((r) => r.event.kind === 'updated' && r.event.value.change?.$case === 'created');
    if (!this.head && fence) this.head = { ...emptyConversation(key.tenantId, key.conversationId), headRev: 1 };
    const base = { ...key, conversation: this.head, messages: this.messages, participants: this.participants };
    return structuredCloneFree(applyEvents(base, records, this.epoch, 1));
  }

  /** Writes documents: all, every other one, or the first so many of a kind; those of a later epoch stay. */
  write(outcome: Outcome, documents: Share = 'all'): void {
    const share = <T>(items: readonly T[]): readonly T[] =>
      documents === 'some'
        ? items.filter((_, i) => i % 2 === 0)
        : items.slice(0, documents === 'all' ? undefined : documents);
    const isLate = (stored: { epoch: number } | undefined, { epoch }: { epoch: number }) =>
      stored !== undefined && stored.epoch > epoch;
    for (const m of share(outcome.messages))
      if (!isLate(this.messages.get(m.messageId), m)) this.messages.set(m.messageId, m);
    for (const p of share(outcome.participants))
      if (!isLate(this.participants.get(p.userId), p)) this.participants.set(p.userId, p);
    for (const h of share(outcome.hidden)) this.hidden.set(`${h.userId} ${h.messageId}`, h);
  }

  /** Applies, writes and commits. */
  take(records: readonly EventRecord[]): Outcome {
    const outcome = this.apply(records);
    this.write(outcome);
    if (outcome.conversation) this.head = outcome.conversation;
    return outcome;
  }

  /** Applies and writes, and crashes before the commit; the next attempt has a new epoch. */
  crash(records: readonly EventRecord[], documents: Share = 'all'): void {
    this.write(this.apply(records), documents);
    this.epoch += 1;
  }

  message(clientMsgId: string): MessageDocument {
    return this.messages.get(c.messageId(clientMsgId)) as MessageDocument;
  }

  active(): string[] {
    const documents = [...this.participants.values()];
    return documents
      .filter((p) => p.state === ParticipantState.PARTICIPANT_STATE_ACTIVE)
      .map((p) => p.userId)
      .sort();
  }

  owners(): string[] {
    return this.active().filter((userId) => this.participants.get(userId)?.role === Role.ROLE_OWNER);
  }
}

/** Documents are shared, never changed: freezing them proves it. */
const structuredCloneFree = (outcome: Outcome): Outcome => {
  for (const document of [...outcome.messages, ...outcome.participants, ...outcome.hidden]) Object.freeze(document);
  if (outcome.conversation) Object.freeze(outcome.conversation);
  return outcome;
};

/** The one conversation of a room. */
export const c = aConversation('c1');
export const aRoom = (events: readonly ConversationEvent[] = [c.created(['ann', 'bob', 'cyd'])]): Room => {
  const room = new Room();
  room.take(room.records(events));
  return room;
};
export const takes = (room: Room, ...events: ConversationEvent[]): Outcome => room.take(room.records(events));
