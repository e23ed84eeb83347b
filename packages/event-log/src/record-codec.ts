/**
 * How records lie in a row of the embedded log: one row holds a run of records of one partition, so that a commit writes
 * one row a partition and not one a record. A record is, little endian:
 *
 *     u32 length of meta in bytes · u32 length of value in bytes · u32 length of key in UTF-16 units · meta · value
 *
 * where meta, UTF-8, is the key followed by name LF value LF for each header.
 */
import { CaasError } from '@caas/kit';
import type { LogRecord, NewRecord } from './port.ts';

const prefixBytes = 12;

/** Greatest value of a record, in bytes. */
export const maxValueBytes = 1024 * 1024;
/** Greatest key and headers of a record together, in characters. */
export const maxMetaLength = 16 * 1024;

/** Key and headers as one string; INVALID_ARGUMENT when the record is outside a limit. */
export const metaOf = (record: NewRecord): string => {
  let meta = record.key;
  for (const name in record.headers) {
    const value = record.headers[name] as string;
    if (name.includes('\n') || value.includes('\n')) throw refuse('headers', 'a header holds a line feed');
    meta += `${name}\n${value}\n`;
  }
  if (meta.length > maxMetaLength) throw refuse('maxMetaLength', `key and headers exceed ${maxMetaLength} characters`);
  if (record.value.byteLength > maxValueBytes) throw refuse('maxValueBytes', `a value exceeds ${maxValueBytes} bytes`);
  return meta;
};

const refuse = (limit: string, message: string): CaasError =>
  new CaasError('INVALID_ARGUMENT', message, { details: { limit } });

/** Upper bound of what a record takes in a row, in bytes. */
export const encodedBytesAtMost = (meta: string, value: Uint8Array): number =>
  prefixBytes + meta.length * 3 + value.byteLength;

/** Writes one record at `at` and returns the position after it. */
export const encodeRecord = (into: Buffer, at: number, keyLength: number, meta: string, value: Uint8Array): number => {
  const metaBytes = into.write(meta, at + prefixBytes, 'utf8');
  into.writeUInt32LE(metaBytes, at);
  into.writeUInt32LE(value.byteLength, at + 4);
  into.writeUInt32LE(keyLength, at + 8);
  const valueAt = at + prefixBytes + metaBytes;
  into.set(value, valueAt);
  return valueAt + value.byteLength;
};

/** Where a row belongs. */
export interface RowPlace {
  topic: string;
  partition: number;
  /** Offset of the first record. */
  base: number;
  appendedAtMs: number;
}

/** Appends the records of a row with offsets ≥ `fromOffset` to `records`, until that holds `limit`. */
export const decodeRow = (
  row: Uint8Array,
  place: RowPlace,
  fromOffset: number,
  limit: number,
  records: LogRecord[],
): void => {
  const bytes = Buffer.from(row.buffer, row.byteOffset, row.byteLength);
  let at = 0;
  for (let offset = place.base; at < bytes.length && records.length < limit; offset += 1) {
    const metaAt = at + prefixBytes;
    const valueAt = metaAt + bytes.readUInt32LE(at);
    const end = valueAt + bytes.readUInt32LE(at + 4);
    if (offset >= fromOffset) {
      const meta = bytes.toString('utf8', metaAt, valueAt);
      const keyLength = bytes.readUInt32LE(at + 8);
      records.push({
        topic: place.topic,
        key: meta.slice(0, keyLength),
        value: new Uint8Array(bytes.buffer, bytes.byteOffset + valueAt, end - valueAt),
        headers: headersOf(meta, keyLength),
        partition: place.partition,
        offset,
        appendedAtMs: place.appendedAtMs,
      });
    }
    at = end;
  }
};

const headersOf = (meta: string, from: number): Record<string, string> => {
  const headers: Record<string, string> = {};
  const parts = meta.slice(from).split('\n');
  for (let i = 0; i + 1 < parts.length; i += 2) headers[parts[i] as string] = parts[i + 1] as string;
  return headers;
};
