import { AuditEntry, Checkpoint } from '@caas/proto/caas/compliance/v1/audit_service';

/**
 * An exported audit log: JSON Lines, UTF-8. A line for each entry, in order: `leaf`, base64 of the bytes that are hashed, and
 * `entry`, the same in protobuf JSON, for people. The last line is the `checkpoint`.
 */

/** The line of an entry. */
export const entryLine = (leaf: Uint8Array): string =>
  `${JSON.stringify({ leaf: Buffer.from(leaf).toString('base64'), entry: AuditEntry.toJSON(AuditEntry.decode(leaf)) })}\n`;

/** The line of a checkpoint. */
export const checkpointLine = (checkpoint: Checkpoint): string =>
  `${JSON.stringify({ checkpoint: Checkpoint.toJSON(checkpoint) })}\n`;

/** What a line says. */
export type ExportLine =
  | { kind: 'entry'; leaf: Uint8Array; entry: AuditEntry; viewDiffers: boolean }
  | { kind: 'checkpoint'; checkpoint: Checkpoint }
  | { kind: 'unreadable' };

/** Whether two JSON values are the same, whatever the order of their names. */
const same = (a: unknown, b: unknown): boolean => {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  const [namesOfA, namesOfB] = [Object.keys(a), Object.keys(b)];
  return (
    namesOfA.length === namesOfB.length &&
    namesOfA.every((name) => same((a as Record<string, unknown>)[name], (b as Record<string, unknown>)[name]))
  );
};

/** Reads a line; whatever is not a line of an export is unreadable. */
export const readLine = (line: string): ExportLine => {
  try {
    const value = JSON.parse(line) as { leaf?: unknown; entry?: unknown; checkpoint?: unknown };
    if (typeof value.checkpoint === 'object' && value.checkpoint !== null)
      return { kind: 'checkpoint', checkpoint: Checkpoint.fromJSON(value.checkpoint) };
    if (typeof value.leaf !== 'string') return { kind: 'unreadable' };
    const leaf = Buffer.from(value.leaf, 'base64');
    const entry = AuditEntry.decode(leaf);
    return { kind: 'entry', leaf, entry, viewDiffers: !same(value.entry, AuditEntry.toJSON(entry)) };
  } catch {
    return { kind: 'unreadable' };
  }
};
