import type { Checkpoint } from '@caas/proto/caas/compliance/v1/audit_service';
import { Frontier, sameHash } from '../merkle/index.ts';
import { isSignedBy } from './checkpoint.ts';
import { type ExportLine, readLine } from './export-lines.ts';

/** What can be wrong with an exported audit log. */
export type FindingKind =
  /** A line is no line of an export. */
  | 'unreadable'
  /** What a line tells people is not what was signed, or the entries are not those that were. */
  | 'altered'
  /** Entries are missing between others. */
  | 'dropped'
  /** An entry comes before one that was logged earlier. */
  | 'reordered'
  /** An entry is there twice. */
  | 'duplicated'
  /** The end is missing: entries, or the checkpoint. */
  | 'truncated'
  /** There is more than the checkpoint speaks for. */
  | 'added'
  /** An entry is another tenant's. */
  | 'foreign'
  /** The checkpoint is signed by another key than the verifier believes. */
  | 'wrong key'
  /** The checkpoint's signature is not that of the key. */
  | 'wrong signature'
  /** An earlier checkpoint does not fit: the past was rewritten. */
  | 'rewritten';

export interface Finding {
  kind: FindingKind;
  /** Line of the file, 1, 2, 3 …; undefined: of the file as a whole. */
  line?: number;
  /** Index of the entry. */
  index?: number;
  /** A sentence for people. */
  message: string;
}

export interface VerifyOptions {
  /** The keys the verifier believes, 32 bytes each, got by another way than the export. */
  publicKeys: readonly Uint8Array[];
  /** Checkpoints the verifier has kept from before. */
  earlier?: readonly Checkpoint[];
}

export interface VerifiedLog {
  /** No findings: the log is what the key's owner signed. */
  ok: boolean;
  tenantId: string;
  entries: number;
  checkpoint: Checkpoint | undefined;
  /** At most `maxFindings`; the first says most. */
  findings: readonly Finding[];
}

/** Findings that are told; of a file that is not an export every line would be one. */
export const maxFindings = 100;
/** Gaps that are remembered, to tell an entry that comes late from one that is missing. */
const maxGaps = 10_000;

/** Reads an export line by line, in memory that does not grow with it. */
class ExportVerifier {
  readonly #options: VerifyOptions;
  readonly #findings: Finding[] = [];
  readonly #frontier = new Frontier();
  /** Roots of the trees that earlier checkpoints speak of, as the entries give them. */
  readonly #roots = new Map<number, Uint8Array>();
  readonly #wanted: ReadonlySet<number>;
  /** Missing indexes, as from and to before. */
  #gaps: { from: number; to: number; line: number }[] = [];
  #line = 0;
  #next = 0;
  #entries = 0;
  #tenantId: string | undefined;
  #checkpoint: Checkpoint | undefined;

  constructor(options: VerifyOptions) {
    this.#options = options;
    this.#wanted = new Set(options.earlier?.map(({ treeSize }) => treeSize));
    this.#keepRoot();
  }

  read(text: string): void {
    this.#line += 1;
    if (text === '') return;
    const line = readLine(text);
    if (this.#checkpoint) this.#found('added', 'there is a line after the checkpoint');
    else if (line.kind === 'entry') this.#entry(line);
    else if (line.kind === 'checkpoint') this.#checkpoint = line.checkpoint;
    else this.#found('unreadable', 'the line is no line of an export');
  }

  end(): VerifiedLog {
    for (const { from, to, line } of this.#gaps)
      this.#found('dropped', `${to - from} ${to - from === 1 ? 'entry is' : 'entries are'} missing from ${from} on`, {
        line,
        index: from,
      });
    if (this.#checkpoint) this.#judge(this.#checkpoint);
    else this.#found('truncated', 'there is no checkpoint at the end', { line: this.#line });
    for (const earlier of this.#options.earlier ?? []) this.#judgeEarlier(earlier);
    return {
      ok: this.#findings.length === 0,
      tenantId: this.#checkpoint?.tenantId ?? this.#tenantId ?? '',
      entries: this.#entries,
      checkpoint: this.#checkpoint,
      findings: this.#findings.slice(0, maxFindings),
    };
  }

  #entry({ leaf, entry, viewDiffers }: Extract<ExportLine, { kind: 'entry' }>): void {
    const { index, tenantId } = entry;
    this.#entries += 1;
    this.#tenantId ??= tenantId;
    if (viewDiffers) this.#found('altered', `entry ${index} tells people something else than was signed`, { index });
    if (tenantId !== this.#tenantId) this.#found('foreign', `entry ${index} is of the tenant ${tenantId}`, { index });
    if (index < this.#next) this.#earlierIndex(index);
    else {
      if (index > this.#next && this.#gaps.length < maxGaps)
        this.#gaps.push({ from: this.#next, to: index, line: this.#line });
      this.#next = index + 1;
    }
    this.#frontier.add(leaf);
    this.#keepRoot();
  }

  /** An index that was passed already: it comes late, or again. */
  #earlierIndex(index: number): void {
    const gap = this.#gaps.find(({ from, to }) => index >= from && index < to);
    if (!gap) {
      this.#found('duplicated', `entry ${index} is there again`, { index });
      return;
    }
    this.#found('reordered', `entry ${index} comes after later ones`, { index });
    const { line } = gap;
    const rest = [
      { from: gap.from, to: index, line },
      { from: index + 1, to: gap.to, line },
    ].filter(({ from, to }) => from < to);
    this.#gaps = this.#gaps.flatMap((each) => (each === gap ? rest : [each]));
  }

  #judge(checkpoint: Checkpoint): void {
    const { tenantId, treeSize, rootHash } = checkpoint;
    this.#judgeSignature(checkpoint, 'the checkpoint');
    if (this.#tenantId !== undefined && tenantId !== this.#tenantId)
      this.#found('foreign', `the checkpoint is of the tenant ${tenantId}`);
    if (this.#next < treeSize)
      this.#found('truncated', `entries from ${this.#next} on are missing; the checkpoint speaks for ${treeSize}`);
    if (this.#next > treeSize)
      this.#found('added', `there are entries from ${treeSize} on that the checkpoint does not speak for`);
    // What is known by name need not be said again as a root that differs.
    if (this.#findings.length === 0 && !sameHash(this.#frontier.root(), rootHash))
      this.#found('altered', 'the entries are not those of the checkpoint: its root is another one');
  }

  #judgeSignature(checkpoint: Checkpoint, what: string): void {
    const publicKey = this.#options.publicKeys.find((believed) => sameHash(believed, checkpoint.publicKey));
    if (!publicKey) this.#found('wrong key', `${what} is signed by another key`);
    else if (!isSignedBy(checkpoint, checkpoint.signature, publicKey))
      this.#found('wrong signature', `the signature of ${what} does not hold`);
  }

  #judgeEarlier(earlier: Checkpoint): void {
    const what = `the earlier checkpoint of ${earlier.treeSize} entries`;
    this.#judgeSignature(earlier, what);
    if (earlier.tenantId !== (this.#checkpoint?.tenantId ?? this.#tenantId))
      this.#found('foreign', `${what} is of the tenant ${earlier.tenantId}`);
    const root = this.#roots.get(earlier.treeSize);
    if (!root) this.#found('rewritten', `${what} speaks for more than there is`);
    else if (!sameHash(root, earlier.rootHash)) this.#found('rewritten', `${what} is not the beginning of this log`);
  }

  #keepRoot(): void {
    if (this.#wanted.has(this.#frontier.size)) this.#roots.set(this.#frontier.size, this.#frontier.root());
  }

  #found(kind: FindingKind, message: string, at: { line?: number; index?: number } = { line: this.#line }): void {
    if (this.#findings.length <= maxFindings) this.#findings.push({ kind, message, line: this.#line, ...at });
  }
}

/** Verifies an exported audit log, given line by line. Rejects only when the lines can't be had. */
export const verifyExport = async (
  lines: AsyncIterable<string> | Iterable<string>,
  options: VerifyOptions,
): Promise<VerifiedLog> => {
  const verifier = new ExportVerifier(options);
  for await (const line of lines) verifier.read(line);
  return verifier.end();
};
