/** Looks for malware in a file. Rejects UNAVAILABLE when the scanner is away: then the job is tried again later. */
export interface Scanner {
  /** 'not scanned': the scanner refuses to look at all of it, as for its size. */
  scan(file: string): Promise<'clean' | 'not scanned' | { found: string }>;
}
