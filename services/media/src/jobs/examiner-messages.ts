import type { Claim } from './kinds.ts';

/** What the process that examines is told: a file, and a folder of its own for what it makes. */
export interface Examine {
  id: number;
  file: string;
  folder: string;
  claim: Claim;
}

export interface MadeRendition {
  name: string;
  file: string;
  mediaType: string;
  sizeBytes: number;
  width: number;
  height: number;
}

export type Examination =
  | { outcome: 'refused'; why: 'not allowed' | 'too large' | 'damaged' | 'failed' }
  | { outcome: 'fit'; kind: 'image' | 'video' | 'audio' | 'file'; mediaType: string; renditions: MadeRendition[] };

/** Bounds the process keeps itself. */
export interface ExaminerBounds {
  maxPixels: number;
  maxResidentBytes: number;
}
