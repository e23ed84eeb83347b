import { Emitter } from './emitter.ts';
import type { NewContent, ReplyTo, Requests, Verb } from './wire/commands.ts';
import type { Accepted, ConversationPage, Done, HistoryPage, MemberPage } from './wire/frames.ts';
import type { MediaAccess } from './wire/media.ts';
import type { ConversationEntry, ConversationKind, Presence, Role, User } from './wire/resources.ts';
import type { Found } from './wire/search.ts';

/** Fields of a conversation to create. */
export interface NewConversation {
  readonly kind: Exclude<ConversationKind, 'UNSPECIFIED'>;
  /** First members besides the creator; exactly one in a direct conversation; at most 1,000. */
  readonly memberIds: readonly string[];
  /** The creator's own id of it, so that a retry creates nothing twice; default: a random one. */
  readonly clientRef?: string;
  readonly title?: string;
  readonly avatarUrl?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** True (the default) when members who join later see what was said before. */
  readonly historyForNewMembers?: boolean;
}

/** Fields to change; absent ones stay, `metadata` replaces what there was. */
export interface ConversationChange {
  readonly title?: string;
  readonly avatarUrl?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Fields to change; absent ones stay, `metadata` replaces what there was. */
export interface ProfileChange {
  readonly displayName?: string;
  readonly avatarUrl?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Where a page begins, and how many entries it has at most (default 50, at most 200). */
export interface PageOptions {
  /** `next` of the page before. */
  readonly after?: string;
  readonly limit?: number;
}

/**
 * The catalogue of commands, one method a verb. Each resolves with the node's answer and rejects with a CaasClientError:
 * the node's reason; DEADLINE_EXCEEDED when no answer came in time (it may or may not have taken effect);
 * UNAVAILABLE when there was no connection in time; CLIENT_CLOSED.
 */
export abstract class Verbs<Events> extends Emitter<Events> {
  /** Sends any command of the contract as it is written on the wire. */
  abstract command<V extends Verb>(verb: V, request: Requests[V]): Promise<ReplyTo<V>>;

  /** Gives one's own committed message new content. The change follows as `messageChanged`. */
  editMessage(conversationId: string, messageId: string, content: NewContent): Promise<Accepted> {
    return this.command('editMessage', { conversationId, messageId, content });
  }

  /** Deletes a committed message for oneself (`me`) or for everyone (the sender, an admin or an owner). */
  deleteMessage(conversationId: string, messageId: string, scope: 'me' | 'everyone'): Promise<Accepted> {
    const wire = scope === 'me' ? 'DELETE_SCOPE_FOR_ME' : 'DELETE_SCOPE_FOR_EVERYONE';
    return this.command('deleteMessage', { conversationId, messageId, scope: wire });
  }

  /** Sets one's own reaction of a kind on a committed message, or takes it back. */
  setReaction(conversationId: string, messageId: string, kind: string, present = true): Promise<Accepted> {
    return this.command('setReaction', { conversationId, messageId, kind, present });
  }

  /** Pins or unpins a committed message (in channels: admins and owners). */
  setPin(conversationId: string, messageId: string, pinned = true): Promise<Accepted> {
    return this.command('setPin', { conversationId, messageId, pinned });
  }

  /** Creates a conversation. A direct conversation of the same two users is always the same one. */
  createConversation({ kind, clientRef, ...rest }: NewConversation): Promise<ConversationEntry> {
    const ref = clientRef ?? (kind === 'DIRECT' ? '' : crypto.randomUUID());
    return this.command('createConversation', { kind: `CONVERSATION_KIND_${kind}`, clientRef: ref, ...rest });
  }

  /** Changes title, picture or metadata (admins and owners). */
  updateConversation(conversationId: string, change: ConversationChange): Promise<ConversationEntry> {
    const replaceMetadata = change.metadata !== undefined;
    return this.command('updateConversation', { conversationId, ...change, replaceMetadata });
  }

  /** Archives or unarchives a conversation (admins and owners). */
  archiveConversation(conversationId: string, archived = true): Promise<ConversationEntry> {
    return this.command('archiveConversation', { conversationId, archived });
  }

  /** Adds members (admins and owners); those who are members stay as they are. */
  addMembers(conversationId: string, userIds: readonly string[]): Promise<ConversationEntry> {
    return this.command('addMembers', { conversationId, userIds });
  }

  /** Removes members (admins and owners; only owners remove admins). */
  removeMembers(conversationId: string, userIds: readonly string[]): Promise<ConversationEntry> {
    return this.command('removeMembers', { conversationId, userIds });
  }

  /** Promotes or demotes a member (owners). */
  setMemberRole(
    conversationId: string,
    userId: string,
    role: Exclude<Role, 'UNSPECIFIED'>,
  ): Promise<ConversationEntry> {
    return this.command('setMemberRole', { conversationId, userId, role: `ROLE_${role}` });
  }

  /** Leaves a conversation; not possible in direct ones. */
  leaveConversation(conversationId: string): Promise<Done> {
    return this.command('leaveConversation', { conversationId });
  }

  /** Mutes one's own notifications until a time, UTC milliseconds since 1970; 0: not muted. */
  muteConversation(conversationId: string, mutedUntilMs: number): Promise<Done> {
    return this.command('muteConversation', { conversationId, mutedUntilMs });
  }

  /** Tells that messages up to a seq have been received. */
  markDelivered(conversationId: string, seq: number): Promise<Done> {
    return this.command('markDelivered', { conversationId, seq });
  }

  /** Tells that messages up to a seq have been read. */
  markRead(conversationId: string, seq: number): Promise<Done> {
    return this.command('markRead', { conversationId, seq });
  }

  /** Tells the other members that one types; say so again every 5,000 ms. */
  setTyping(conversationId: string, typing = true): Promise<Done> {
    return this.command('setTyping', { conversationId, typing });
  }

  /** Watches the presence of at most 200 users in place of those watched before; changes follow as `presence`. */
  async watchPresence(userIds: readonly string[]): Promise<readonly Presence[]> {
    return (await this.command('watchPresence', { userIds })).presences;
  }

  /** A page of the user's conversations, by conversation id. */
  listConversations(options: PageOptions & { readonly includeLeft?: boolean } = {}): Promise<ConversationPage> {
    return this.command('listConversations', options);
  }

  /** Reads one conversation. */
  getConversation(conversationId: string): Promise<ConversationEntry> {
    return this.command('getConversation', { conversationId });
  }

  /** A page of members, by user id. */
  listMembers(conversationId: string, options: PageOptions = {}): Promise<MemberPage> {
    return this.command('listMembers', { conversationId, ...options });
  }

  /** A page of messages by seq; give at most one anchor, none: the newest. At most 200 messages (default 50). */
  getHistory(
    conversationId: string,
    options: Omit<Requests['getHistory'], 'conversationId'> = {},
  ): Promise<HistoryPage> {
    return this.command('getHistory', { conversationId, ...options });
  }

  /** A page of the messages of a thread by seq. At most 200 messages (default 50). */
  getThread(
    conversationId: string,
    rootMessageId: string,
    options: { readonly afterSeq?: number; readonly limit?: number } = {},
  ): Promise<HistoryPage> {
    return this.command('getThread', { conversationId, rootMessageId, ...options });
  }

  /** The pinned messages, latest pin first, at most 100. */
  listPins(conversationId: string): Promise<HistoryPage> {
    return this.command('listPins', { conversationId });
  }

  /** Profiles of those that exist, by user id and by the tenant's own names; at most 200 of each. */
  async getUsers(userIds: readonly string[], externalIds: readonly string[] = []): Promise<readonly User[]> {
    const users: User[] = [];
    for (let asked = { userIds, externalIds }; ; ) {
      const page = await this.command('getUsers', asked);
      users.push(...page.users);
      // One that is more and has nobody new would be asked for ever.
      if (!page.more || page.users.length === 0) return users;
      const got = new Set(page.users.flatMap((user) => [`id ${user.userId}`, `name ${user.externalId}`]));
      asked = {
        userIds: asked.userIds.filter((id) => !got.has(`id ${id}`)),
        externalIds: asked.externalIds.filter((name) => !got.has(`name ${name}`)),
      };
    }
  }

  /** Changes one's own profile. */
  async updateProfile(change: ProfileChange): Promise<User | undefined> {
    return (await this.command('updateProfile', { ...change, replaceMetadata: change.metadata !== undefined }))
      .users[0];
  }

  /**
   * Media with addresses to download its forms from, good for a few minutes: by a message that carries it and that the user may
   * read, or, without one, as its uploader. MESSAGE_NOT_FOUND when there is no such message any more.
   */
  mediaUrls(
    mediaId: string,
    carrier?: { readonly conversationId: string; readonly messageId: string },
  ): Promise<MediaAccess> {
    return this.command('getMedia', {
      mediaId,
      ...(carrier && { conversationId: carrier.conversationId, messageId: carrier.messageId }),
    });
  }

  /**
   * Searches the messages the user may read at this moment, newest first: what they say, and the names of what is attached.
   * Rejects with UNIMPLEMENTED where no search service is installed, UNAVAILABLE while it does not answer, CURSOR_INVALID for
   * a cursor of another search.
   */
  searchMessages(query: string, options: Omit<Requests['searchMessages'], 'query'> = {}): Promise<Found> {
    return this.command('searchMessages', { query, ...options });
  }
}
