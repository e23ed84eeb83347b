import {
  type KeyValue,
  type LivingNodes,
  livingMembers,
  presenceKey,
  userNodesKey,
  watchersKey,
} from '@caas/key-value';
import type { Clock, Logger } from '@caas/kit';
import type { PresenceNotice, TypingNotice } from '@caas/proto/caas/events/v1/node_envelope';
import type { Presence } from '@caas/proto/caas/socket/v1/resources';
import type { Connection } from '../edge/connection.ts';
import type { LocalConversation } from './local.ts';
import type { LocalDirectory } from './local-directory.ts';
import type { NodeLink } from './node-link.ts';
import type { Turn } from './turn.ts';

/** How long "last seen" is kept, ms. */
const lastSeenTtlMs = 30 * 24 * 3_600_000;
/** A user is offline when no connection came back within this time, ms. */
const offlineDelayMs = 1_500;

/** Who is online and who types: told on, never kept where it would matter. Best effort throughout. */
export class Ephemeral {
  readonly #keyValue: KeyValue;
  readonly #living: LivingNodes;
  readonly #directory: LocalDirectory;
  readonly #turn: Turn;
  readonly #link: NodeLink;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #nodeId: string;
  /** Connections of this node by the watchers' key of the user they watch. */
  readonly #watchers = new Map<string, Set<Connection>>();

  constructor(
    keyValue: KeyValue,
    living: LivingNodes,
    directory: LocalDirectory,
    turn: Turn,
    link: NodeLink,
    clock: Clock,
    logger: Logger,
    nodeId: string,
  ) {
    this.#keyValue = keyValue;
    this.#living = living;
    this.#directory = directory;
    this.#turn = turn;
    this.#link = link;
    this.#clock = clock;
    this.#logger = logger;
    this.#nodeId = nodeId;
  }

  /** Somebody types in a conversation of this node. */
  typing(conversation: LocalConversation, notice: TypingNotice): void {
    this.typed(notice);
    this.#tell(conversation.interestKey, (node) =>
      this.#link.send(node, { entry: { $case: 'typing', value: notice } }, 100),
    );
  }

  typed({ tenantId, conversationId, userId, typing }: TypingNotice): void {
    const conversation = this.#directory.conversation(tenantId, conversationId);
    if (conversation)
      this.#turn.publish(
        conversation,
        { event: { $case: 'typing', value: { conversationId, userId, typing } } },
        new Set([userId]),
      );
  }

  /** The user's first connection to this node opened. */
  cameOnline(tenantId: string, userId: string): void {
    this.#announce({ tenantId, userId, online: true, lastSeenAtMs: this.#clock.now() });
  }

  /** The user's last connection to this node closed; others may be open elsewhere, or it comes back at once. */
  wentOffline(tenantId: string, userId: string): void {
    setTimeout(() => {
      if (this.#directory.user(tenantId, userId)) return;
      const lastSeenAtMs = this.#clock.now();
      this.#keyValue
        .set(presenceKey(tenantId, userId), Buffer.from(String(lastSeenAtMs)), lastSeenTtlMs)
        .then(() => this.#onlineOf(tenantId, [userId]))
        .then(([online]) => {
          if (!online) this.#announce({ tenantId, userId, online: false, lastSeenAtMs });
        })
        .catch((error: unknown) => this.#logger.debug({ err: error }, 'presence not told'));
    }, offlineDelayMs).unref();
  }

  /** Replaces what a connection watches and answers the users' presence now. */
  async watch(connection: Connection, userIds: readonly string[]): Promise<Presence[]> {
    if (connection.closed) return []; // it will not be closed a second time, and so would be kept for ever
    const { tenantId } = connection.claims;
    const before = connection.watching;
    connection.watching = userIds;
    const registering: Promise<void>[] = [];
    for (const userId of userIds) {
      const key = watchersKey(tenantId, userId);
      const watching = this.#watchers.get(key);
      if (watching) watching.add(connection);
      else {
        this.#watchers.set(key, new Set([connection]));
        registering.push(this.#directory.registrations?.addWatch(key) ?? Promise.resolve());
      }
    }
    const kept = new Set(userIds);
    this.#drop(
      connection,
      before.filter((userId) => !kept.has(userId)),
    );
    if (userIds.length === 0) return [];
    await Promise.all(registering);
    const online = await this.#onlineOf(tenantId, userIds);
    const seen = await this.#keyValue.getMany(userIds.map((userId) => presenceKey(tenantId, userId)));
    return userIds.map((userId, i) => {
      const at = seen[i];
      return { userId, online: online[i] ?? false, lastSeenAtMs: at ? Number(Buffer.from(at).toString()) : 0 };
    });
  }

  unwatch(connection: Connection): void {
    this.#drop(connection, connection.watching);
    connection.watching = [];
  }

  /** What nobody here watches any more is taken back at once: shared state has room for what is watched, not for what was. */
  #drop(connection: Connection, userIds: readonly string[]): void {
    const gone: string[] = [];
    for (const userId of userIds) {
      const key = watchersKey(connection.claims.tenantId, userId);
      const watching = this.#watchers.get(key);
      watching?.delete(connection);
      if (watching?.size !== 0) continue;
      this.#watchers.delete(key);
      gone.push(key);
    }
    if (gone.length > 0) this.#directory.registrations?.removeWatches(gone);
  }

  /** A user came or went, here or on another node. */
  noticed({ tenantId, userId, online, lastSeenAtMs }: PresenceNotice): void {
    for (const connection of this.#watchers.get(watchersKey(tenantId, userId)) ?? []) {
      connection.event({ event: { $case: 'presence', value: { userId, online, lastSeenAtMs } } });
    }
  }

  #announce(notice: PresenceNotice): void {
    this.noticed(notice);
    this.#tell(watchersKey(notice.tenantId, notice.userId), (node) =>
      this.#link.send(node, { entry: { $case: 'presence', value: notice } }, 100),
    );
  }

  #tell(key: string, send: (node: string) => void): void {
    this.#keyValue
      .membersOf([key])
      .then(([members]) => {
        for (const node of this.#living.nodesOf(members ?? [])) if (node !== this.#nodeId) send(node);
      })
      .catch((error: unknown) => this.#logger.debug({ err: error }, 'not told to other nodes'));
  }

  /** Users are online when a node has registered them in the start it is in now. */
  async #onlineOf(tenantId: string, userIds: readonly string[]): Promise<boolean[]> {
    const members = await this.#keyValue.membersOf(userIds.map((userId) => userNodesKey(tenantId, userId)));
    const living = await livingMembers(this.#keyValue, members.flat());
    return members.map((list) => list.some((member) => living.has(member)));
  }
}
