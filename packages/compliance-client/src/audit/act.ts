import { type Clock, isTraceparent, newId, type Reason, traceIdOf } from '@caas/kit';
import { limitOf } from '@caas/kit/contract';
import { ActorKind, type AuditEvent, AuditOutcome } from '@caas/proto/caas/events/v1/audit_event';
import { descriptors } from '@caas/proto/descriptor';
import { type AuditAction, auditActions } from './actions.ts';

/** Tenant of acts that are of no tenant: those of the installation itself, and of who is not known. */
export const installationTenant = '_installation';

export interface Actor {
  kind: 'user' | 'operator' | 'app' | 'service';
  /** User id, operator id, app id or name of the service. */
  id: string;
}

/** What happened, as a service tells it. Never text of messages, secrets or tokens. */
export interface AuditAct<A extends AuditAction = AuditAction> {
  tenantId: string;
  action: A;
  actor: Actor;
  /** Id of what it was done to; what kind of thing that is, the table of actions says. */
  subjectId: string;
  conversationId?: string;
  /** Why it was refused, or failed; without it, it was done. */
  reason?: Reason;
  /** With a reason: it failed half way, or its end is not known. */
  failed?: boolean;
  /** Trace of the request. */
  traceparent?: string;
  /** Address the request came from. */
  remoteAddress?: string;
  /** Small facts of the act; those of no value are left out. */
  details?: Readonly<Record<string, string | undefined>>;
}

const actorKinds = {
  user: ActorKind.ACTOR_KIND_USER,
  operator: ActorKind.ACTOR_KIND_OPERATOR,
  app: ActorKind.ACTOR_KIND_APP,
  service: ActorKind.ACTOR_KIND_SERVICE,
} as const;

const outcomeOf = ({ reason, failed }: AuditAct): AuditOutcome => {
  if (reason === undefined) return AuditOutcome.AUDIT_OUTCOME_DONE;
  return failed ? AuditOutcome.AUDIT_OUTCOME_FAILED : AuditOutcome.AUDIT_OUTCOME_REFUSED;
};

/** Greatest lengths of the event's fields, from its proto. */
const bytesAllowed = (): ReadonlyMap<string, number> => {
  allowed ??= new Map(
    descriptors()
      .getMessage('caas.events.v1.AuditEvent')
      ?.fields.map((field) => [field.jsonName, limitOf(field)?.maxBytes ?? 0]),
  );
  return allowed;
};
let allowed: ReadonlyMap<string, number> | undefined;

/** As much of a text as fits, whole characters. What is cut is told by its end. */
const clipped = (text: string, maxBytes: number): string => {
  if (text.length * 3 <= maxBytes || Buffer.byteLength(text) <= maxBytes) return text;
  const bytes = Buffer.from(text).subarray(0, maxBytes - 3);
  return `${bytes.toString().replace(/\uFFFD+$/, '')}…`;
};

/** What can stand in a header of the log; all ids of tenants can. */
const tenantPattern = /^[!-~]{1,64}$/;
const maxDetails = 16;

/** The event of an act. Takes whatever it is given: what is too long is cut, an act is never lost for that. */
export const eventOf = (act: AuditAct, service: string, clock: Clock): AuditEvent => {
  const limit = bytesAllowed();
  const cut = (field: keyof AuditEvent, text: string): string => clipped(text, limit.get(field) ?? 0);
  const details = Object.entries(act.details ?? {})
    .filter((entry): entry is [string, string] => entry[1] !== undefined)
    .slice(0, maxDetails)
    .map(([name, value]) => [cut('details', name), cut('details', value)]);
  return {
    eventId: newId(clock.now()),
    tenantId: tenantPattern.test(act.tenantId) ? act.tenantId : installationTenant,
    atMs: clock.now(),
    service: cut('service', service),
    actorKind: actorKinds[act.actor.kind],
    actorId: cut('actorId', act.actor.id),
    action: act.action,
    subjectKind: auditActions[act.action].subject,
    subjectId: cut('subjectId', act.subjectId),
    conversationId: cut('conversationId', act.conversationId ?? ''),
    outcome: outcomeOf(act),
    reason: act.reason ?? '',
    traceId: act.traceparent !== undefined && isTraceparent(act.traceparent) ? traceIdOf(act.traceparent) : '',
    remoteAddress: cut('remoteAddress', act.remoteAddress ?? ''),
    details: Object.fromEntries(details),
  };
};
