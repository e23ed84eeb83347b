import { derivedId } from '@caas/kit';
import { type MessageStore, nextDigest } from '@caas/message-store';
import { ConversationKind } from '@caas/proto/caas/events/v1/content';
import { ConversationDocument, MessageDocument } from '@caas/proto/caas/events/v1/documents';

const bodyBytes = 200;
const conversations = 8;

/** What a worker writes for one shard: batches of new messages of eight conversations, then their heads. */
export class ShardLoad {
  readonly #store: MessageStore;
  readonly #heads: ConversationDocument[];
  #epoch = 0;
  #sent = 0;

  constructor(store: MessageStore, shard: string) {
    this.#store = store;
    this.#heads = Array.from({ length: conversations }, (_, i) =>
      ConversationDocument.fromPartial({
        tenantId: 'tenant-of-the-bench',
        conversationId: derivedId('conversation', shard, String(i)),
        kind: ConversationKind.CONVERSATION_KIND_GROUP,
        digest: '0000000000000000',
        memberCount: 8,
      }),
    );
  }

  /** Persists one batch as a worker does: documents, then heads. */
  async persist(messages: number): Promise<void> {
    this.#epoch ||= await this.#store.conversations.claimShard(0);
    const before = this.#heads.map(({ headRev }) => headRev);
    const batch = Array.from({ length: messages }, () => this.#next());
    await this.#store.messages.write(batch);
    const moved = this.#heads.flatMap((document, i) =>
      document.headRev === before[i] ? [] : [{ expectedHeadRev: before[i] as number, document: { ...document } }],
    );
    const outcomes = await this.#store.conversations.commit(moved);
    if (!outcomes.every((outcome) => outcome === 'committed')) throw new Error('a commit of the bench was stale');
  }

  #next(): MessageDocument {
    const head = this.#heads[this.#sent % conversations] as ConversationDocument;
    const clientMsgId = `client-message-${++this.#sent}`;
    const { tenantId, conversationId } = head;
    const messageId = derivedId('message', tenantId, conversationId, clientMsgId);
    head.headRev += 1;
    head.lastSeq += 1;
    head.lastPosition += 4_096;
    head.epoch = this.#epoch;
    head.digest = nextDigest(head.digest, messageId);
    head.lastMessage = MessageDocument.fromPartial({
      ...{ tenantId, conversationId, messageId, clientMsgId },
      senderId: derivedId('user', tenantId, String(this.#sent % 64)),
      seq: head.lastSeq,
      rev: head.headRev,
      epoch: this.#epoch,
      position: head.lastPosition,
      acceptedAtMs: 1_700_000_000_000 + this.#sent,
      content: { body: { $case: 'plain', value: { text: 'x'.repeat(bodyBytes) } } },
      contentHash: Buffer.alloc(32),
      traceId: '0af7651916cd43dd8448eb211c80319c',
      digest: head.digest,
    });
    return head.lastMessage;
  }
}
