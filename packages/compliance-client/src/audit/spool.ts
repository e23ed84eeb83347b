import { type FileHandle, mkdir, open, readdir, readFile, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { CaasError, newId } from '@caas/kit';

/** Size at which a segment is full and the next one begins, in bytes: what is read at once. */
const segmentBytes = 4 * 1024 * 1024;
/** Length and checksum before each record. */
const headerBytes = 8;

export interface SpoolOptions {
  folder: string;
  /** Whose records they are; unique among the processes that share the folder. */
  name: string;
  /** Most that all segments may hold, in bytes. */
  maxBytes: number;
  /** Told of a segment whose end can't be read; it stays, under the name answered. */
  onDamaged?(file: string, lostBytes: number): void;
}

export interface Segment {
  file: string;
  records: Uint8Array[];
}

interface Opened {
  file: string;
  handle: FileHandle;
  bytes: number;
}

const framed = (record: Uint8Array): Buffer => {
  const frame = Buffer.allocUnsafe(headerBytes + record.length);
  frame.writeUInt32LE(record.length, 0);
  frame.writeUInt32LE(crc32(record), 4);
  frame.set(record, headerBytes);
  return frame;
};

/** The whole records of a segment, and how many bytes they take. */
const recordsIn = (bytes: Buffer): { records: Uint8Array[]; readBytes: number } => {
  const records: Uint8Array[] = [];
  let at = 0;
  while (at + headerBytes <= bytes.length) {
    const end = at + headerBytes + bytes.readUInt32LE(at);
    const record = bytes.subarray(at + headerBytes, end);
    if (end > bytes.length || crc32(record) !== bytes.readUInt32LE(at + 4)) break;
    records.push(Uint8Array.from(record));
    at = end;
  }
  return { records, readBytes: at };
};

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'EPERM';
  }
};

/**
 * Records on disk, for as long as the log is away: files that are only appended to, and removed when the log has what is in
 * them. A segment that was left by a process that is gone is taken over at the next start. Records are whole or not there
 * after a crash; those of a segment that is read twice are there twice.
 */
export class Spool {
  readonly #options: SpoolOptions;
  /** Closed segments, oldest first, with their size. */
  readonly #closed: { file: string; bytes: number }[] = [];
  #current: Opened | undefined;
  #bytes = 0;
  /** Ends when the calls made so far have. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: SpoolOptions) {
    this.#options = options;
  }

  /** Bytes on disk. */
  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#bytes === 0;
  }

  /** Takes over what processes that are gone have left. */
  async adopt(): Promise<void> {
    const { folder, name } = this.#options;
    const pattern = /-(\d+)-([\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12})\.spool$/;
    const files = await readdir(folder).catch(() => []);
    const left = files
      .map((file) => ({ file, match: pattern.exec(file) }))
      .filter(({ file, match }) => match !== null && file.slice(0, match.index) === name)
      // One of this very process is of a service in it that crashed, or of an earlier one with the same number.
      .filter(({ match }) => Number(match?.[1]) === process.pid || !isAlive(Number(match?.[1])))
      .toSorted((a, b) => ((a.match?.[2] ?? '') < (b.match?.[2] ?? '') ? -1 : 1));
    for (const { file } of left) {
      const path = join(folder, file);
      const { size } = await stat(path);
      this.#closed.push({ file: path, bytes: size });
      this.#bytes += size;
    }
  }

  /** Appends records, durably when it resolves. OVERLOADED, and nothing written, when there is no room. */
  append(records: readonly Uint8Array[]): Promise<void> {
    return this.#inTurn(() => this.#append(records));
  }

  /** The oldest segment; undefined when there is none. It stays until it is removed. */
  oldest(): Promise<Segment | undefined> {
    return this.#inTurn(() => this.#oldest());
  }

  /** Forgets the oldest segment, whose records are in the log. One that could not be read to its end stays for an operator. */
  removeOldest(): Promise<void> {
    return this.#inTurn(() => this.#removeOldest());
  }

  /** Lets go of the files; what is in them stays. */
  close(): Promise<void> {
    return this.#inTurn(() => this.#roll());
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  async #append(records: readonly Uint8Array[]): Promise<void> {
    const bytes = Buffer.concat(records.map(framed));
    const { maxBytes } = this.#options;
    if (this.#bytes + bytes.length > maxBytes) {
      const details = { limit: 'maxSpoolBytes', value: String(maxBytes) };
      throw new CaasError('OVERLOADED', 'too much waits for the audit log', { details });
    }
    this.#current ??= await this.#begin();
    const { handle } = this.#current;
    try {
      await handle.appendFile(bytes);
      await handle.datasync();
    } catch (cause) {
      // What a failed write left behind ends this segment: after it nothing could be read.
      await this.#roll();
      throw new CaasError('UNAVAILABLE', 'the audit spool can’t be written', { cause });
    }
    this.#current.bytes += bytes.length;
    this.#bytes += bytes.length;
    if (this.#current.bytes >= segmentBytes) await this.#roll();
  }

  async #oldest(): Promise<Segment | undefined> {
    if (this.#closed.length === 0) await this.#roll();
    const oldest = this.#closed[0];
    if (!oldest) return undefined;
    const { file } = oldest;
    const bytes = await readFile(file);
    const { records, readBytes } = recordsIn(bytes);
    if (readBytes === bytes.length) return { file, records };
    const damaged = `${file}.damaged`;
    await rename(file, damaged);
    oldest.file = damaged;
    this.#options.onDamaged?.(damaged, bytes.length - readBytes);
    return { file: damaged, records };
  }

  async #removeOldest(): Promise<void> {
    const oldest = this.#closed[0];
    if (!oldest) return;
    if (!oldest.file.endsWith('.damaged')) await unlink(oldest.file);
    this.#closed.shift();
    this.#bytes -= oldest.bytes;
  }

  async #begin(): Promise<Opened> {
    const { folder, name } = this.#options;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const file = join(folder, `${name}-${process.pid}-${newId()}.spool`);
    const handle = await open(file, 'ax', 0o600);
    // So that the file is found after a power loss, too.
    const names = await open(folder, 'r');
    try {
      await names.sync();
    } finally {
      await names.close();
    }
    return { file, handle, bytes: 0 };
  }

  async #roll(): Promise<void> {
    const current = this.#current;
    if (!current) return;
    this.#current = undefined;
    await current.handle.close();
    const { size } = await stat(current.file);
    // A failed write may have left bytes that were not counted.
    this.#bytes += size - current.bytes;
    if (size > 0) this.#closed.push({ file: current.file, bytes: size });
    else await unlink(current.file);
  }
}
