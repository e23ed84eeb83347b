import { type LogRecord, tenantHeader } from '@caas/event-log';
import { limitsOf } from '@caas/kit/contract';
import { AuditEvent } from '@caas/proto/caas/events/v1/audit_event';

/** A record of audit.log as it is taken: an event, or why it can't be one. */
export type Decoded =
  | { kind: 'event'; event: AuditEvent; source: LogRecord }
  | { kind: 'poison'; source: LogRecord; reason: string };

const checkLimits = limitsOf('caas.events.v1.AuditEvent');

export const decode = (source: LogRecord): Decoded => {
  const poison = (reason: string): Decoded => ({ kind: 'poison', source, reason });
  let event: AuditEvent;
  try {
    event = AuditEvent.decode(source.value);
    checkLimits(event);
  } catch {
    return poison('the value is not an audit event within its limits');
  }
  if (source.key !== event.tenantId) return poison('the key is not the tenant');
  if (source.headers[tenantHeader] !== event.tenantId)
    return poison('the tenant of the header is not that of the value');
  return { kind: 'event', event, source };
};
