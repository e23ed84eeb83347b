import { withTransfer } from '@caas/sqlite/handler';

/** Bodies of an answer one after the other; a length of −1 stands for "there is none". */
export interface Packed {
  bytes: Uint8Array;
  lengths: Int32Array;
  /** True when the answer was cut and others follow. */
  more: boolean;
}

type Row = Record<string, unknown>;

/** The `body` columns of rows as one answer that moves to the main thread without a copy. */
export const packRows = (rows: readonly (Row | undefined)[], more = false): Packed => {
  const bodies = rows.map((row) => row?.['body'] as Uint8Array | undefined);
  const lengths = Int32Array.from(bodies, (body) => body?.byteLength ?? -1);
  const bytes = new Uint8Array(bodies.reduce((sum, body) => sum + (body?.byteLength ?? 0), 0));
  let at = 0;
  for (const body of bodies)
    if (body) {
      bytes.set(body, at);
      at += body.byteLength;
    }
  return withTransfer({ bytes, lengths, more }, [bytes.buffer, lengths.buffer]);
};

/**
 * The first of the rows, as many as the extent lets through, but one at least; the others are not read. `rows` may go on
 * past `limit`, so that it can be told whether there are others.
 */
export const firstRows = (rows: Iterable<Row>, limit: number, maxBytes = Number.POSITIVE_INFINITY) => {
  const first: Row[] = [];
  let bytes = 0;
  for (const row of rows) {
    bytes += (row['body'] as Uint8Array).byteLength;
    if (first.length > 0 && (first.length === limit || bytes > maxBytes)) return { rows: first, more: true };
    first.push(row);
  }
  return { rows: first, more: false };
};

/** The parts of a buffer in which each is preceded by its length as a varint. */
export function* partsOf(packed: Uint8Array): Generator<Uint8Array> {
  let at = 0;
  while (at < packed.byteLength) {
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = packed[at++] as number;
      length |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    yield packed.subarray(at, at + length);
    at += length;
  }
}
