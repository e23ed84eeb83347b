/** The thread that searches: in WAL mode a reader never waits for the writer. */
import type { DatabaseSync } from 'node:sqlite';
import type { IndexHit, IndexRecord, MessageKey } from '../port.ts';
import { scoreOf } from '../text/match.ts';
import type { Clause } from '../text/query.ts';
import { Numbers } from './numbers.ts';
import { placeTerm, slotBits } from './schema.ts';

export { migrations } from './schema.ts';

/** A search as it comes to the thread. Ids of messages are decimal text: they don't fit a number. */
export interface Search {
  tenantId: string;
  conversationIds: string[];
  /** Least readable seq of each conversation. */
  fromSeqs: number[];
  clauses: readonly Clause[];
  senderIds: readonly string[] | undefined;
  attached: boolean | undefined;
  fromMs: number;
  untilMs: number;
  /** Ids within which it looks: above and below. */
  above: string;
  below: string;
  limit: number;
}
export interface Hit extends IndexHit {
  id: string;
}

/** Conversations up to which their names are among what is asked of the words table; more are looked up match by match. */
const maxPlaces = 24;
/** Bytes of terms that are looked at for the best of a search, at most. */
const maxScoredBytes = 4 * 1024 * 1024;

const quoted = (terms: readonly string[]): string => `"${terms.join(' ')}"`;
/** Terms are letters, digits and symbols: nothing in them that the words table would read as its own. */
const matchOf = (clauses: readonly Clause[], places: readonly number[]): string => {
  const words = clauses.map(({ terms, prefix }) => `${quoted(terms)}${prefix ? ' *' : ''}`).join(' AND ');
  const text = `{terms} : (${words})`;
  return places.length === 0
    ? text
    : `${text} AND {place} : (${places.map((c) => quoted([placeTerm(c)])).join(' OR ')})`;
};

export const open = (db: DatabaseSync) => {
  const conversations = new Numbers(db, 'conversation');
  const senders = new Numbers(db, 'sender');
  // Of the search that runs: the least readable seq by conversation, and the senders asked for.
  let readable = new Map<number, number>();
  let asked: ReadonlySet<number> | undefined;
  db.function('may_find', { deterministic: false }, (conv, seq, sender) => {
    const from = readable.get(conv as number);
    return from !== undefined && (seq as number) >= from && (asked?.has(sender as number) ?? true) ? 1 : 0;
  });
  const select = (columns: string, tables: string) =>
    db.prepare(
      `SELECT CAST(m.id AS TEXT) AS id, m.id >> ${slotBits} AS ms, m.conv AS conv, m.message_id AS message_id, m.seq AS seq,
         m.sender AS sender${columns}
       FROM words CROSS JOIN message m ON m.id = words.rowid ${tables}
       WHERE words MATCH ? AND words.rowid > CAST(? AS INTEGER) AND words.rowid < CAST(? AS INTEGER)
         AND may_find(m.conv, m.seq, m.sender) AND (? < 0 OR m.attached = ?)
       ORDER BY words.rowid DESC LIMIT ?`,
    );
  const plain = select('', '');
  const withTerms = select(', b.terms AS terms', 'CROSS JOIN body b ON b.id = m.id');
  const nameOf = (table: string, id: string, number: string) =>
    db.prepare(`SELECT ${id} AS name FROM ${table} WHERE ${number} = ?`);
  const conversationName = nameOf('conversation', 'conversation_id', 'conv');
  const senderName = nameOf('sender', 'user_id', 'sender');
  const rev = db.prepare('SELECT rev FROM conversation WHERE tenant_id = ? AND conversation_id = ?');
  const record = db.prepare(
    'SELECT version, found, lower(hex(trace)) AS trace, indexed_ms FROM message WHERE conv = ? AND message_id = ?',
  );
  const mark = db.prepare('SELECT value FROM mark WHERE name = ?');
  const count = db.prepare('SELECT count(*) AS n FROM message WHERE found = 1');

  const hitOf = (row: Record<string, unknown>): Hit => ({
    id: row['id'] as string,
    conversationId: conversationName.get(row['conv'] as number)?.['name'] as string,
    messageId: row['message_id'] as string,
    senderId: senderName.get(row['sender'] as number)?.['name'] as string,
    seq: row['seq'] as number,
    acceptedAtMs: row['ms'] as number,
  });

  const recordOf = ({ tenantId, conversationId, messageId }: MessageKey): IndexRecord | undefined => {
    const conv = conversations.find(tenantId, conversationId);
    const row = conv === undefined ? undefined : record.get(conv, messageId);
    if (!row) return undefined;
    return {
      // Even ones are the store's; odd ones are where a purge took the version before out.
      version: Math.floor((row['version'] as number) / 2),
      found: row['found'] === 1,
      traceId: row['trace'] as string,
      indexedAtMs: row['indexed_ms'] as number,
    };
  };

  /** Parameters of a search; undefined: nothing can be found. */
  const prepare = (s: Search): (string | number)[] | undefined => {
    readable = new Map();
    for (const [i, conversationId] of s.conversationIds.entries()) {
      const conv = conversations.find(s.tenantId, conversationId);
      if (conv !== undefined) readable.set(conv, s.fromSeqs[i] as number);
    }
    asked = s.senderIds && new Set(s.senderIds.map((id) => senders.find(s.tenantId, id) ?? -1));
    if (readable.size === 0) return undefined;
    const places = readable.size <= maxPlaces ? [...readable.keys()] : [];
    const attached = s.attached === undefined ? -1 : Number(s.attached);
    const from = (BigInt(s.fromMs) << slotBits) - 1n;
    const until = s.untilMs === 0 ? BigInt(s.below) : BigInt(s.untilMs) << slotBits;
    const above = BigInt(s.above) > from ? BigInt(s.above) : from;
    const below = BigInt(s.below) < until ? BigInt(s.below) : until;
    return [matchOf(s.clauses, places), String(above), String(below), attached, attached, s.limit];
  };

  return {
    newest: (s: Search): Hit[] => {
      const parameters = prepare(s);
      return parameters ? plain.all(...parameters).map(hitOf) : [];
    },
    /** All of them with their scores; the caller takes its page. */
    scored: (s: Search): { hit: Hit; score: number }[] => {
      const parameters = prepare(s);
      if (!parameters) return [];
      const scored: { hit: Hit; score: number }[] = [];
      let bytes = 0;
      for (const row of withTerms.iterate(...parameters)) {
        const terms = row['terms'] as string;
        bytes += terms.length;
        if (scored.length > 0 && bytes > maxScoredBytes) break;
        scored.push({ hit: hitOf(row), score: scoreOf(terms.split(' '), s.clauses) });
      }
      return scored;
    },
    progress: (keys: readonly string[]): number[] => {
      const revs: number[] = [];
      for (let i = 0; i < keys.length; i += 2)
        revs.push(Number(rev.get(keys[i] as string, keys[i + 1] as string)?.['rev'] ?? 0));
      return revs;
    },
    records: (keys: readonly MessageKey[]): (IndexRecord | undefined)[] => keys.map(recordOf),
    marks: (names: readonly string[]): (string | undefined)[] =>
      names.map((name) => mark.get(name)?.['value'] as string | undefined),
    count: (): number => Number(count.get()?.['n']),
  };
};
