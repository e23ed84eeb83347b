/** The thread half of the embedded log: rows of records in, rows out. Offsets are decided by the main half. */

import type { DatabaseSync } from 'node:sqlite';
import { inTransaction, withTransfer } from '@caas/sqlite/handler';
import type { TopicSpec } from './port.ts';
import { partitionName } from './topics.ts';

export const migrations = [
  `-- One row per partition. floor: next free offset as of the last trim, so that an emptied partition never starts anew.
   CREATE TABLE slot (
     slot INTEGER PRIMARY KEY, topic TEXT NOT NULL, partition INTEGER NOT NULL, floor INTEGER NOT NULL DEFAULT 0,
     UNIQUE (topic, partition)
   ) STRICT;
   -- A run of records of one partition. id = slot * 2^40 + offset of the first: neighbours in the tree are neighbours in
   -- the partition, and a batch is found by one seek.
   CREATE TABLE batch (
     id INTEGER PRIMARY KEY, count INTEGER NOT NULL, appended_at_ms INTEGER NOT NULL, records BLOB NOT NULL
   ) STRICT;
   CREATE TABLE committed (
     group_name TEXT NOT NULL, slot INTEGER NOT NULL, next_offset INTEGER NOT NULL, PRIMARY KEY (group_name, slot)
   ) STRICT, WITHOUT ROWID;`,
];

/** How the refusal of a log begins that is older than what was built on it. */
export const olderLog = 'the log is an older one:';

/** Offsets a partition can hold; slots times this stays a safe integer. */
const slotSpan = 2 ** 40;

export interface SlotState {
  slot: number;
  topic: string;
  partition: number;
  first: number;
  next: number;
}

export interface AppendArgs {
  /** Every row's bytes, one after the other. */
  bytes: ArrayBuffer;
  /** Five numbers a row: slot, offset of its first record, count, start in bytes, end in bytes. */
  rows: number[];
  appendedAtMs: number;
}

export interface ReadArgs {
  slot: number;
  fromOffset: number;
  /** Greatest number of records wanted; rows beyond it are not read. */
  limit: number;
  /** Stops after the row that reaches this. */
  maxBytes: number;
}

export interface ReadRow {
  base: number;
  appendedAtMs: number;
  records: Uint8Array<ArrayBuffer>;
}

export interface TrimArgs {
  slot: number;
  beforeMs: number;
  /** Stops after as many rows. */
  maxRows: number;
  /** Stops after the row that reaches this. */
  maxBytes: number;
}

export interface CommitRow {
  group: string;
  slot: number;
  next: number;
}

export interface LogThreadOptions {
  topics: readonly TopicSpec[];
  /** Greatest size of the file in pages; for tests of a full disk. */
  maxPages?: number | undefined;
  /** As the option of the log. */
  notBefore?: Readonly<Record<string, number>> | undefined;
}

/**
 * Offsets a log that was lost leaves out when it begins anew. What is built on it may know of more than was said: a
 * conversation's document is up to a second ahead of its shard's position.
 */
const skippedOffsets = 1_000_000;

const declareSlots = (db: DatabaseSync, topics: readonly TopicSpec[]): void =>
  inTransaction(db, () => {
    const count = db.prepare('SELECT count(*) AS n FROM slot WHERE topic = ?');
    const insert = db.prepare('INSERT INTO slot (topic, partition) VALUES (?, ?)');
    for (const topic of topics) {
      const held = Number(count.get(topic.name)?.['n']);
      // Another count would send keys to other partitions and break their order.
      if (held !== 0 && held !== topic.partitions)
        throw new Error(`topic ${topic.name} has ${held} partitions in this file, ${topic.partitions} are declared`);
      for (let partition = held; partition < topic.partitions; partition += 1) insert.run(topic.name, partition);
    }
  });

export const open = (db: DatabaseSync, options: LogThreadOptions) => {
  declareSlots(db, options.topics);
  const setMaxPages = (pages: number): void => db.exec(`PRAGMA max_page_count = ${pages}`);
  if (options.maxPages !== undefined) setMaxPages(options.maxPages);

  const slots = db.prepare('SELECT slot, topic, partition, floor FROM slot');
  const floorOf = db.prepare('SELECT floor FROM slot WHERE slot = ?');
  const firstRow = db.prepare('SELECT id FROM batch WHERE id >= ? AND id < ? ORDER BY id LIMIT 1');
  const lastRow = db.prepare('SELECT id, count FROM batch WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT 1');
  const insert = db.prepare('INSERT INTO batch (id, count, appended_at_ms, records) VALUES (?, ?, ?, ?)');
  const rowsFrom = db.prepare(
    `SELECT id, count, appended_at_ms, records FROM batch
     WHERE id >= coalesce((SELECT max(id) FROM batch WHERE id >= :low AND id <= :from), :from) AND id < :high ORDER BY id`,
  );
  const oldest = db.prepare(
    `SELECT id, count, appended_at_ms AS atMs, length(records) AS bytes FROM batch WHERE id >= ? AND id < ? ORDER BY id LIMIT ?`,
  );
  const remove = db.prepare('DELETE FROM batch WHERE id >= ? AND id <= ?');
  const setFloor = db.prepare('UPDATE slot SET floor = max(floor, ?) WHERE slot = ?');
  const setCommitted = db.prepare(
    `INSERT INTO committed VALUES (?, ?, ?)
     ON CONFLICT DO UPDATE SET next_offset = excluded.next_offset`,
  );
  const committed = db.prepare('SELECT slot, next_offset FROM committed WHERE group_name = ?');
  const slowest = db.prepare(
    'SELECT group_name AS name, next_offset AS next FROM committed WHERE slot = ? ORDER BY next_offset LIMIT 1',
  );

  const boundsOf = (slot: number, floor: number): { first: number; next: number } => {
    const low = slot * slotSpan;
    const last = lastRow.get(low, low + slotSpan) as { id: number; count: number } | undefined;
    if (!last) return { first: floor, next: floor };
    const first = firstRow.get(low, low + slotSpan) as { id: number };
    return { first: first.id - low, next: last.id - low + last.count };
  };

  inTransaction(db, () => {
    const all = slots.all() as unknown as { slot: number; topic: string; partition: number; floor: number }[];
    for (const { slot, topic, partition, floor } of all) {
      const name = partitionName(topic, partition);
      const least = options.notBefore?.[name] ?? 0;
      const { first, next } = boundsOf(slot, floor);
      if (next >= least) continue;
      // In a log that goes on, consumers would wait at the gap.
      if (next > first) throw new Error(`${olderLog} ${name} ends at ${next}, and records up to ${least} were read`);
      setFloor.run(least + skippedOffsets, slot);
    }
  });

  return {
    /** Every slot with its bounds as they are on disk. */
    layout: (): SlotState[] =>
      (slots.all() as unknown as { slot: number; topic: string; partition: number; floor: number }[]).map(
        ({ floor, ...row }) => ({ ...row, ...boundsOf(row.slot, floor) }),
      ),

    append: ({ bytes, rows, appendedAtMs }: AppendArgs): void =>
      inTransaction(db, () => {
        for (let i = 0; i < rows.length; i += 5) {
          const [slot, base, count, start, end] = rows.slice(i, i + 5) as [number, number, number, number, number];
          insert.run(slot * slotSpan + base, count, appendedAtMs, new Uint8Array(bytes, start, end - start));
        }
      }),

    read: ({ slot, fromOffset, limit, maxBytes }: ReadArgs): ReadRow[] => {
      const low = slot * slotSpan;
      const rows: ReadRow[] = [];
      let bytes = 0;
      const found = rowsFrom.iterate({ low, from: low + fromOffset, high: low + slotSpan });
      for (const row of found as Iterable<Record<string, unknown>>) {
        const base = (row['id'] as number) - low;
        const records = row['records'] as Uint8Array<ArrayBuffer>;
        rows.push({ base, appendedAtMs: row['appended_at_ms'] as number, records });
        bytes += records.byteLength;
        if (bytes >= maxBytes || base + (row['count'] as number) - fromOffset >= limit) break;
      }
      return withTransfer(
        rows,
        rows.map((row) => row.records.buffer),
      );
    },

    /**
     * Deletes the oldest rows of a slot that are past `beforeMs` and that every group has had, a slice of them; says what is
     * kept, if more are due, and which group holds back what is past its time.
     */
    trim: ({ slot, beforeMs, maxRows, maxBytes }: TrimArgs): { first: number; more: boolean; heldBy?: string } =>
      inTransaction(db, () => {
        const low = slot * slotSpan;
        const group = slowest.get(slot) as { name: string; next: number } | undefined;
        let heldBy: string | undefined;
        let last: number | undefined;
        let rows = 0;
        let bytes = 0;
        for (const row of oldest.iterate(low, low + slotSpan, maxRows) as Iterable<Record<string, unknown>>) {
          if ((row['atMs'] as number) >= beforeMs || bytes >= maxBytes) break;
          if (group && (row['id'] as number) - low + (row['count'] as number) > group.next) {
            heldBy = group.name;
            break;
          }
          last = row['id'] as number;
          bytes += row['bytes'] as number;
          rows += 1;
        }
        if (last !== undefined) {
          setFloor.run(boundsOf(slot, 0).next, slot);
          remove.run(low, last);
        }
        const floor = floorOf.get(slot)?.['floor'] as number;
        const more = rows === maxRows || bytes >= maxBytes;
        return { first: boundsOf(slot, floor).first, more, ...(heldBy !== undefined && { heldBy }) };
      }),

    commit: (rows: readonly CommitRow[]): void =>
      inTransaction(db, () => {
        for (const row of rows) setCommitted.run(row.group, row.slot, row.next);
      }),

    committed: (group: string): { slot: number; next: number }[] =>
      committed.all(group).map((row) => ({ slot: row['slot'] as number, next: row['next_offset'] as number })),

    setMaxPages,
  };
};

export type LogThread = ReturnType<typeof open>;
