import type { DatabaseSync } from 'node:sqlite';

/** Numbers remembered in each thread. */
const maxKnown = 100_000;

/** The numbers that stand for a tenant's conversations or senders. They never change, so what is known stays right. */
export class Numbers {
  readonly #known = new Map<string, number>();
  readonly #find;
  readonly #add;

  constructor(db: DatabaseSync, table: 'conversation' | 'sender') {
    const [number, name] = table === 'conversation' ? ['conv', 'conversation_id'] : ['sender', 'user_id'];
    this.#find = db.prepare(`SELECT ${number} AS n FROM ${table} WHERE tenant_id = ? AND ${name} = ?`);
    this.#add = db.prepare(`INSERT INTO ${table} (tenant_id, ${name}) VALUES (?, ?)`);
  }

  find(tenantId: string, id: string): number | undefined {
    const key = `${tenantId.length}:${tenantId}${id}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const number = this.#find.get(tenantId, id)?.['n'] as number | undefined;
    if (number === undefined) return undefined;
    if (this.#known.size >= maxKnown) this.#known.clear();
    this.#known.set(key, number);
    return number;
  }

  /** Inside a transaction. */
  give(tenantId: string, id: string): number {
    return this.find(tenantId, id) ?? Number(this.#add.run(tenantId, id).lastInsertRowid);
  }

  /** After a rollback: numbers given in it may be given again to others. */
  forget(): void {
    this.#known.clear();
  }
}
