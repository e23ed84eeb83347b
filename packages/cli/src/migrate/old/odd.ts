import type { z } from 'zod';

/** An old document that is left out, and why: its id and what is wrong with which field, never what it says. */
export interface Odd {
  collection: 'conversations' | 'participants' | 'messages';
  id: string;
  reason: string;
}

/** Tells of odd documents one by one, each once, and counts them by reason. */
export class Oddities {
  readonly counts: Record<string, number> = {};
  readonly #tell: (odd: Odd) => void;
  /** What was told of by conversation that has been begun anew, by an engine's fault, counts once. */
  readonly #told = new Set<string>();

  constructor(tell: (odd: Odd) => void = () => undefined) {
    this.#tell = tell;
  }

  get total(): number {
    return this.#told.size;
  }

  add(odd: Odd): void {
    const name = `${odd.collection} ${odd.id}`;
    if (this.#told.has(name)) return;
    this.#told.add(name);
    const reason = `${odd.collection}: ${odd.reason}`;
    this.counts[reason] = (this.counts[reason] ?? 0) + 1;
    this.#tell(odd);
  }

  /** The document as its schema reads it; undefined, and told, when it does not fit. */
  checked<T>(schema: z.ZodType<T>, collection: Odd['collection'], raw: { _id: unknown }): T | undefined {
    const result = schema.safeParse(raw);
    if (result.success) return result.data;
    const [issue] = result.error.issues;
    // Keys of maps are the tenant's own data.
    const field = issue?.path.find((part) => typeof part === 'string');
    const reason = `${field === undefined ? '' : `${String(field)}: `}${issue?.message ?? 'does not fit'}`;
    this.add({ collection, id: String(raw._id), reason });
    return undefined;
  }
}
