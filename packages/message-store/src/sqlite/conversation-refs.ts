import type { DatabaseSync } from 'node:sqlite';

/** Conversations whose number is remembered in each thread. */
export const maxKnownConversations = 50_000;

/** Tenant and conversation id, one after the other in one flat list: cheaper to clone than objects. */
export type FlatKeys = readonly string[];

/** The numbers that stand for conversations. They never change, so what is known stays right. */
export class ConversationRefs {
  readonly #known = new Map<string, number>();
  readonly #find;
  readonly #add;

  constructor(db: DatabaseSync) {
    this.#find = db.prepare('SELECT conv FROM conversation_ref WHERE tenant_id = ? AND conversation_id = ?');
    this.#add = db.prepare('INSERT INTO conversation_ref (tenant_id, conversation_id) VALUES (?, ?)');
  }

  /** The number of a conversation; undefined when nothing was ever written for it. */
  find(tenantId: string, conversationId: string): number | undefined {
    const name = `${tenantId.length}:${tenantId}${conversationId}`;
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const conv = this.#find.get(tenantId, conversationId)?.['conv'] as number | undefined;
    if (conv === undefined) return undefined;
    if (this.#known.size >= maxKnownConversations) this.#known.clear();
    this.#known.set(name, conv);
    return conv;
  }

  /** Inside a transaction: the number of a conversation, given to it when it has none. */
  give(tenantId: string, conversationId: string): number {
    return this.find(tenantId, conversationId) ?? Number(this.#add.run(tenantId, conversationId).lastInsertRowid);
  }

  /** After a rollback: numbers given in it may be given again to others. */
  forget(): void {
    this.#known.clear();
  }

  /** Inside a transaction: numbers of all conversations of a flat list of keys. */
  giveAll(keys: FlatKeys): number[] {
    const convs: number[] = [];
    for (let i = 0; i < keys.length; i += 2) convs.push(this.give(keys[i] as string, keys[i + 1] as string));
    return convs;
  }
}
