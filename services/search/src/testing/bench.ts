import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CryptoUnderTest, startCrypto } from '@caas/crypto/testing';
import { type EventLog, openSqliteEventLog, partitionName, recordOf, shardCount, Topic, topics } from '@caas/event-log';
import { encodeMessage } from '@caas/kit/encode';
import { createGrpcClient, type GrpcClient, sharedTokenAuth } from '@caas/kit/grpc';
import { createLogger } from '@caas/kit/log';
import { type MessageStore, openSqliteMessageStore } from '@caas/message-store';
import { ConversationKind, ParticipantState, Role } from '@caas/proto/caas/events/v1/content';
import { ConversationDocument, MessageDocument, ParticipantDocument } from '@caas/proto/caas/events/v1/documents';
import { MessageDeleted, MessageDelivered, MessageEdited } from '@caas/proto/caas/events/v1/message_events';
import type { SearchRequest } from '@caas/proto/caas/search/v1/search_service';
import { SearchServiceService } from '@caas/proto/caas/search/v1/search_service';
import { openSqliteSearchIndex, type SearchIndex } from '@caas/search-index';
import { createSearch, type SearchPorts } from '../app.ts';

export const tenantId = 't1';
const operatorToken = 'operator-of-a-test';

/** A conversation whose documents a test writes as the workers do. */
export class Room {
  readonly #bench: Bench;
  readonly conversationId: string;
  head: ConversationDocument;

  constructor(bench: Bench, conversationId: string) {
    this.#bench = bench;
    this.conversationId = conversationId;
    this.head = ConversationDocument.fromPartial({
      ...{ tenantId, conversationId, kind: ConversationKind.CONVERSATION_KIND_GROUP, membersRev: 1 },
    });
  }

  async join(userId: string, over: Partial<ParticipantDocument> = {}): Promise<void> {
    const { conversationId } = this;
    const participant = ParticipantDocument.fromPartial({ tenantId, conversationId, userId, visibleFromSeq: 1 });
    const active = { role: Role.ROLE_MEMBER, state: ParticipantState.PARTICIPANT_STATE_ACTIVE };
    await this.#bench.store.participants.write([{ ...participant, ...active, ...over }]);
  }

  message(text: string, over: Partial<MessageDocument> = {}): MessageDocument {
    const { conversationId } = this;
    const n = this.head.lastSeq + 1;
    return MessageDocument.fromPartial({
      ...{ tenantId, conversationId, messageId: `${conversationId}-${n}`, senderId: 'ann', seq: n },
      ...{ rev: this.head.headRev + 1, acceptedAtMs: 1_700_000_000_000 + n },
      content: { body: { $case: 'plain', value: { text } } },
      ...over,
    });
  }

  /** Writes a document; it counts from `commit` on. */
  write(document: MessageDocument): Promise<void> {
    return this.#bench.store.messages.write([document]);
  }

  async commit(over: Partial<ConversationDocument> = {}): Promise<void> {
    const expectedHeadRev = this.head.headRev;
    const document = { ...this.head, headRev: expectedHeadRev + 1, ...over };
    const [done] = await this.#bench.store.conversations.commit([{ expectedHeadRev, document }]);
    if (done !== 'committed') throw new Error('stale');
    this.head = document;
  }

  /** Says something, committed and told. */
  async say(text: string, over: Partial<MessageDocument> = {}): Promise<MessageDocument> {
    const document = this.message(text, over);
    await this.write(document);
    await this.commit({ lastSeq: document.seq });
    await this.told(document.seq);
    return document;
  }

  /** The notice of a commit. */
  async told(firstSeq: number): Promise<void> {
    const { conversationId, head } = this;
    const value = { headRev: head.headRev, firstSeq, lastSeq: head.lastSeq, digest: '' };
    const delivered = { tenantId, conversationId, notice: { $case: 'persisted' as const, value } };
    await this.#append(Topic.messageDelivered, 'MessageDelivered', encodeMessage(MessageDelivered, delivered));
  }

  /** An accepted edit or deletion; answers the offset that the head has to have then. */
  async accepted(what: 'edited' | 'deleted', messageId: string): Promise<Record<string, number>> {
    const about = { tenantId, conversationId: this.conversationId, messageId };
    const position =
      what === 'edited'
        ? await this.#append(
            Topic.messageEdited,
            'MessageEdited',
            encodeMessage(MessageEdited, MessageEdited.fromPartial(about)),
          )
        : await this.#append(
            Topic.messageDeleted,
            'MessageDeleted',
            encodeMessage(MessageDeleted, MessageDeleted.fromPartial(about)),
          );
    const topic = what === 'edited' ? Topic.messageEdited : Topic.messageDeleted;
    return { [`${topic}-${position?.partition}`]: position?.offset ?? -1 };
  }

  async #append(topic: Topic, type: string, value: Uint8Array) {
    const [position] = await this.#bench.log.append([recordOf(topic, type, tenantId, this.conversationId, value, '')]);
    return position;
  }
}

type Running = { client: GrpcClient<typeof SearchServiceService>; address: string; stop(): Promise<void> };

/** A log, a store and an index in a folder, and the service on them, as often as a test starts it. */
export class Bench {
  readonly folder: string;
  log!: EventLog;
  store!: MessageStore;
  index!: SearchIndex;
  crypto!: CryptoUnderTest;
  #rooms = 0;
  readonly #running = new Set<Running>();
  readonly #logger = createLogger({ service: 'search', level: 'silent' });
  readonly #auth = sharedTokenAuth({ token: 'services-of-a-test', operatorToken });

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async open(): Promise<Bench> {
    const bench = new Bench(await mkdtemp(join(tmpdir(), 'search-')));
    await bench.#open();
    return bench;
  }

  async #open(): Promise<void> {
    const at = (name: string) => ({ file: join(this.folder, name) });
    this.crypto = await startCrypto(join(this.folder, 'crypto'));
    [this.log, this.store, this.index] = await Promise.all([
      openSqliteEventLog({ ...at('log.db'), onFault: () => undefined }),
      openSqliteMessageStore(at('messages.db')),
      openSqliteSearchIndex(at('search.db')),
    ]);
  }

  room(): Room {
    return new Room(this, `room-${++this.#rooms}`);
  }

  async start(over: Partial<SearchPorts> = {}): Promise<Running> {
    const config = { grpcAddress: '127.0.0.1:0', maxConcurrentSearches: 4 };
    const engines = { log: this.log, store: this.store, index: this.index };
    const ports = { ...engines, keys: this.crypto.clientOf('search'), config, serviceAuth: this.#auth };
    const service = await createSearch({ ...ports, logger: this.#logger, ...over });
    const stopping = new AbortController();
    const running = service.run(stopping.signal);
    const client = this.client(service.address, 'socket');
    const started = {
      client,
      address: service.address,
      stop: async () => {
        client.close();
        stopping.abort();
        await running;
        this.#running.delete(started);
      },
    };
    this.#running.add(started);
    return started;
  }

  client(address: string, callerName: string): GrpcClient<typeof SearchServiceService> {
    return createGrpcClient(SearchServiceService, { address, auth: this.#auth, callerName, logger: this.#logger });
  }

  /** Says that the workers have applied all that the log has. */
  async allApplied(): Promise<void> {
    const position: Record<string, number> = {};
    for (const { name, partitions } of topics)
      for (let p = 0; p < partitions; p++) position[partitionName(name, p)] = (await this.log.bounds(name, p)).next;
    for (let shard = 0; shard < shardCount; shard++) {
      const epoch = await this.store.conversations.claimShard(shard);
      await this.store.conversations.keepShardPosition(shard, epoch, position);
    }
  }

  /** Drops the index, as if its file were lost. */
  async loseIndex(): Promise<void> {
    await this.index.close();
    for (const end of ['', '-wal', '-shm']) await rm(join(this.folder, `search.db${end}`), { force: true });
    this.index = await openSqliteSearchIndex({ file: join(this.folder, 'search.db') });
  }

  async close(): Promise<void> {
    await Promise.all([...this.#running].map((each) => each.stop()));
    await Promise.all([this.log.close(), this.store.close(), this.index.close(), this.crypto.stop()]);
    await rm(this.folder, { recursive: true, force: true });
  }
}

export const asked = (query: string, over: Partial<SearchRequest> = {}): SearchRequest => ({
  claims: { tenantId, userId: 'ann', appId: '', sessionId: '', scopes: ['chat'], expiresAtMs: 0 },
  query,
  filter: undefined,
  order: 0,
  limit: 0,
  cursor: '',
  ...over,
});
