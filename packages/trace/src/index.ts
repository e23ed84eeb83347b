/** The way of a trace id through the platform, read from what it has kept. */
export { auditOver } from './audit-over.ts';
export { type Hop, type HopKind, hopLines } from './hop.ts';
export { type TraceRecords, walkTrace } from './walk.ts';
