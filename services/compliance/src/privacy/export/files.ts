import { exportFileBytes } from '../../limits.ts';

/** A file of an export. */
export interface ExportFile {
  /** Path in the export: letters, digits, `-`, `_`, `.`, and `/` between. */
  path: string;
  sizeBytes: number;
  body: AsyncIterable<Uint8Array> | readonly Uint8Array[];
}

/** What goes into a file of its own. */
export const whole = (path: string, text: string): ExportFile => {
  const bytes = Buffer.from(text);
  return { path, sizeBytes: bytes.length, body: [bytes] };
};

/** JSON Lines over as many files as it takes, each of a bounded size: a file's size has to be known before it begins. */
export class LineFiles {
  readonly #folder: string;
  #lines: string[] = [];
  #bytes = 0;
  #files = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Adds a line; answers a file when it is full. */
  add(line: object): ExportFile | undefined {
    const text = `${JSON.stringify(line)}\n`;
    this.#lines.push(text);
    this.#bytes += text.length;
    return this.#bytes < exportFileBytes ? undefined : this.rest();
  }

  /** What is left; undefined: nothing is. */
  rest(): ExportFile | undefined {
    if (this.#lines.length === 0) return undefined;
    this.#files += 1;
    const file = whole(`${this.#folder}/${String(this.#files).padStart(6, '0')}.jsonl`, this.#lines.join(''));
    this.#lines = [];
    this.#bytes = 0;
    return file;
  }
}

/** The files that lines fill. */
export async function* filesOf(folder: string, lines: AsyncIterable<object>): AsyncGenerator<ExportFile> {
  const files = new LineFiles(folder);
  for await (const line of lines) {
    const full = files.add(line);
    if (full) yield full;
  }
  const rest = files.rest();
  if (rest) yield rest;
}
