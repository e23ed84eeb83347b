import { interestKey } from '@caas/key-value';
import type { ConversationKind, Role } from '@caas/proto/caas/events/v1/content';
import type { ParticipantDocument } from '@caas/proto/caas/events/v1/documents';
import type { Connection } from '../edge/connection.ts';
import type { EncodedEvent } from '../edge/encode.ts';

/** What a conversation's member may do and see there, as stored. */
export type Membership = Pick<
  ParticipantDocument,
  'tenantId' | 'conversationId' | 'role' | 'visibleFromSeq' | 'visibleFromPosition'
>;

/** A member of a conversation who has connections to this node. */
export interface LocalMember {
  readonly user: LocalUser;
  role: Role;
  /** Least seq the member may read. */
  visibleFromSeq: number;
  /** Least position of a send that is delivered to the member; 0: any. */
  visibleFromPosition: number;
  /** Revision of the participation this was taken from, as far as it is known to be committed. */
  rev: number;
}

/** Ended memberships a connected user's node remembers; of older ones a read begun before the end may win. */
const maxEndedMemberships = 1_000;

/** A user with connections to this node. */
export class LocalUser {
  readonly tenantId: string;
  readonly userId: string;
  readonly connections = new Set<Connection>();
  readonly conversations = new Set<LocalConversation>();
  /** Resolves when the user may come in; a second connection waits for the first one's loading. */
  ready: Promise<void> | undefined;
  /** True once a connection has had its welcome: others have been told that the user is online. */
  present = false;
  /** Revisions at which memberships ended, by conversation, so that what was read before does not bring them back. */
  readonly #ended = new Map<string, number>();
  #gone: AbortController | undefined;
  #hasLeft = false;

  constructor(tenantId: string, userId: string) {
    this.tenantId = tenantId;
    this.userId = userId;
  }

  /** Aborts when the user's last connection here has closed. */
  get gone(): AbortSignal {
    this.#gone ??= new AbortController();
    if (this.#hasLeft) this.#gone.abort();
    return this.#gone.signal;
  }

  left(): void {
    this.#hasLeft = true;
    this.#gone?.abort();
  }

  /** Revision at which the membership ended; -1: not known to have. */
  endedAt(conversationId: string): number {
    return this.#ended.get(conversationId) ?? -1;
  }

  ended(conversationId: string, rev: number): void {
    const latest = Math.max(rev, this.endedAt(conversationId));
    this.#ended.delete(conversationId);
    this.#ended.set(conversationId, latest);
    if (this.#ended.size > maxEndedMemberships) this.#ended.delete(this.#ended.keys().next().value as string);
  }
}

/** Rules a send needs to know of its conversation. */
export interface ConversationRules {
  kind: ConversationKind;
  archived: boolean;
  /** Who joins does not read what was said before. */
  hidesHistory: boolean;
}

/** A conversation that has members on this node. Owned by LocalDirectory; `events` by Turn. */
export class LocalConversation {
  readonly tenantId: string;
  readonly conversationId: string;
  /** Key under which nodes say that they want its messages. */
  readonly interestKey: string;
  readonly members = new Map<string, LocalMember>();
  /** Events of the current turn, in order. */
  readonly events: EncodedEvent[] = [];
  /** True when some of them are not for all members. */
  selective = false;
  rules: ConversationRules | undefined;
  /** Revision of the conversation's own fields the rules are of. */
  metaRev = 0;
  /** Revision up to which this node has told its members; 0: not known yet. */
  headRev = 0;
  /** Position up to which this node has told its members that sends are decided. */
  decidedPosition = 0;
  /** Greatest `visibleFromPosition` a member here ever had: what is past it is for all. */
  latestJoinPosition = 0;
  /** Revision of the membership this node knows. */
  membersRev = 0;
  /** Notices that may have told of members and were missed since they were last read anew; 0: all are known. */
  membersStale = 0;
  /** True while they are being read. */
  refreshing = false;
  /** Head the store had at the last check while this node was behind it; behind at two checks means a notice is lost. */
  suspectRev = 0;
  lastActiveMs = 0;
  /** True until its head is next compared: its membership is new here, so that it counts as active. */
  fresh = false;
  #json: Connection[] = [];
  #proto: Connection[] = [];
  #stale = false;

  constructor(tenantId: string, conversationId: string) {
    this.tenantId = tenantId;
    this.conversationId = conversationId;
    this.interestKey = interestKey(tenantId, conversationId);
  }

  /** Members' connections by subprotocol, as flat lists: what fan-out walks. */
  get receivers(): { json: readonly Connection[]; proto: readonly Connection[] } {
    if (this.#stale) {
      this.#json = [];
      this.#proto = [];
      for (const member of this.members.values())
        for (const connection of member.user.connections) this.#listOf(connection).push(connection);
      this.#stale = false;
    }
    return { json: this.#json, proto: this.#proto };
  }

  /** Adds one connection of a member without rebuilding the lists. */
  connectionAdded(connection: Connection): void {
    if (!this.#stale) this.#listOf(connection).push(connection);
  }

  /** The lists are rebuilt at the next fan-out. */
  connectionsChanged(): void {
    this.#stale = true;
  }

  #listOf(connection: Connection): Connection[] {
    return connection.subprotocol === 'caas.v1.json' ? this.#json : this.#proto;
  }
}
