/** What kind of thing an act was done to. */
export type SubjectKind =
  | 'user'
  | 'conversation'
  | 'message'
  | 'session'
  | 'tenant'
  | 'app'
  | 'media'
  | 'policy'
  | 'key'
  | 'job'
  | 'hold'
  | 'audit';

export interface ActionRule {
  /** Service that audits it. */
  service: 'auth' | 'socket' | 'compliance' | 'any';
  subject: SubjectKind;
  /**
   * True: it is audited first and then done, and is refused while it can't be audited. False: it is noted once it is done,
   * and never held up (docs/adr/0035-audited-first-or-noted.md).
   */
  first: boolean;
}

/** The one table of what is audited; docs/compliance/audit.md tells it to people. */
export const auditActions = {
  'token.issued': { service: 'auth', subject: 'session', first: false },
  'token.refused': { service: 'auth', subject: 'app', first: false },
  'token.refreshed': { service: 'auth', subject: 'session', first: false },
  'token.reuse_detected': { service: 'auth', subject: 'session', first: false },
  'session.revoked': { service: 'auth', subject: 'session', first: false },
  'key.rotated': { service: 'auth', subject: 'key', first: true },
  'tenant.created': { service: 'auth', subject: 'tenant', first: true },
  'app.created': { service: 'auth', subject: 'app', first: true },
  'app.secret_rotated': { service: 'auth', subject: 'app', first: true },
  'connection.opened': { service: 'socket', subject: 'session', first: false },
  'connection.refused': { service: 'socket', subject: 'session', first: false },
  'conversation.created': { service: 'socket', subject: 'conversation', first: false },
  'conversation.updated': { service: 'socket', subject: 'conversation', first: false },
  'conversation.archived': { service: 'socket', subject: 'conversation', first: false },
  'members.added': { service: 'socket', subject: 'user', first: false },
  'members.removed': { service: 'socket', subject: 'user', first: false },
  'role.changed': { service: 'socket', subject: 'user', first: false },
  'message.deleted': { service: 'socket', subject: 'message', first: true },
  'policy.rejected': { service: 'socket', subject: 'message', first: false },
  'policy.held': { service: 'socket', subject: 'message', first: false },
  'policy.masked': { service: 'socket', subject: 'message', first: false },
  'policy.flagged': { service: 'socket', subject: 'message', first: false },
  'policy.unjudged': { service: 'socket', subject: 'message', first: false },
  'policy.put': { service: 'compliance', subject: 'policy', first: true },
  'privacy.export_requested': { service: 'compliance', subject: 'user', first: true },
  'privacy.exported': { service: 'compliance', subject: 'user', first: true },
  'privacy.erasure_requested': { service: 'compliance', subject: 'user', first: true },
  'privacy.erased': { service: 'compliance', subject: 'user', first: true },
  'privacy.refused': { service: 'compliance', subject: 'user', first: false },
  'privacy.hold_put': { service: 'compliance', subject: 'hold', first: true },
  'privacy.hold_released': { service: 'compliance', subject: 'hold', first: true },
  'privacy.retention_put': { service: 'compliance', subject: 'tenant', first: true },
  'privacy.retention_started': { service: 'compliance', subject: 'job', first: true },
  'privacy.retention_done': { service: 'compliance', subject: 'job', first: false },
  'privacy.job_cancelled': { service: 'compliance', subject: 'job', first: true },
  'audit.exported': { service: 'compliance', subject: 'audit', first: true },
  'audit.lost': { service: 'any', subject: 'audit', first: false },
} as const satisfies Record<string, ActionRule>;

export type AuditAction = keyof typeof auditActions;
/** Acts that are audited before they are done. */
export type FirstAction = {
  [A in AuditAction]: (typeof auditActions)[A]['first'] extends true ? A : never;
}[AuditAction];
/** Acts that are noted when they are done. */
export type NotedAction = Exclude<AuditAction, FirstAction>;
