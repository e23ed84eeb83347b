import { maxManifestFiles } from '../../limits.ts';
import { sha256Hex } from '../jobs.ts';
import { type ExportFile, whole } from './files.ts';

/** A file as the manifest names it. */
export interface NamedFile {
  path: string;
  size: number;
  sha256: string;
}

/** Names the files of an export with their hashes; where there are many, in parts that it names in turn. */
export class Manifest {
  #files: NamedFile[] = [];
  readonly #parts: NamedFile[] = [];

  /** Names a file; answers a part when it is full, which is to be a file of the export itself. */
  add(file: NamedFile): ExportFile | undefined {
    this.#files.push(file);
    if (this.#files.length < maxManifestFiles) return undefined;
    const text = this.#files.map((each) => `${JSON.stringify(each)}\n`).join('');
    const part = whole(`manifest/${String(this.#parts.length + 1).padStart(6, '0')}.jsonl`, text);
    this.#parts.push({ path: part.path, size: part.sizeBytes, sha256: sha256Hex(text) });
    this.#files = [];
    return part;
  }

  /** The manifest's text. */
  text(about: Readonly<Record<string, unknown>>): string {
    const named = { type: 'caas-export/v1', ...about, parts: this.#parts, files: this.#files };
    return `${JSON.stringify(named, undefined, 2)}\n`;
  }
}
