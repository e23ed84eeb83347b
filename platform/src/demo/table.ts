const width = 46;
const gutter = 10;

const cell = (text: string, size: number): string =>
  text.length > size ? `${text.slice(0, size - 1)}…` : text.padEnd(size);

/** Prints what each of two sides saw, as it sees it, under the milliseconds since the table was made. */
export class Table {
  readonly #print: (line: string) => void;
  readonly #startedAtMs = performance.now();

  constructor(print: (line: string) => void) {
    this.#print = print;
  }

  /** Milliseconds since the table was made. */
  now(): number {
    return performance.now() - this.#startedAtMs;
  }

  head(left: string, right: string): void {
    this.#print(`${'ms'.padStart(gutter - 2)}  ${cell(left, width)}  ${right}`);
    this.#print(`${'─'.repeat(gutter - 2)}  ${'─'.repeat(width)}  ${'─'.repeat(width)}`);
  }

  row(column: 0 | 1, text: string): void {
    const time = this.now()
      .toFixed(1)
      .padStart(gutter - 2);
    this.#print(
      `${time}  ${column === 0 ? cell(text, width).trimEnd() : `${cell('', width)}  ${cell(text, width).trimEnd()}`}`,
    );
  }

  section(text: string): void {
    this.#print(`\n${text}`);
  }
}
