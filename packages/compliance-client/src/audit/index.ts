/** How services tell the audit log what they do. */
export { type Actor, type AuditAct, installationTenant } from './act.ts';
export {
  type ActionRule,
  type AuditAction,
  auditActions,
  type FirstAction,
  type NotedAction,
  type SubjectKind,
} from './actions.ts';
export { type AuditSettings, auditOf, auditVariables } from './settings.ts';
export { type AuditWriter, type AuditWriterOptions, openAuditWriter } from './writer.ts';
