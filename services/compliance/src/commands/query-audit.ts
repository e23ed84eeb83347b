import type { EntryPlace, EntryQuery } from '@caas/audit-store';
import { fail } from '@caas/kit';
import {
  AuditEntry,
  type QueryAuditRequest,
  type QueryAuditResponse,
} from '@caas/proto/caas/compliance/v1/audit_service';
import type { ComplianceCore } from '../core.ts';
import { defaultQueryLimit } from '../limits.ts';

const encodeCursor = ({ atMs, index }: EntryPlace): string => Buffer.from(`${atMs}.${index}`).toString('base64url');

const decodeCursor = (cursor: string): EntryPlace => {
  const match = /^(\d{1,16})\.(\d{1,16})$/.exec(Buffer.from(cursor, 'base64url').toString());
  const [atMs, index] = [Number(match?.[1]), Number(match?.[2])];
  return Number.isSafeInteger(atMs) && Number.isSafeInteger(index)
    ? { atMs, index }
    : fail('CURSOR_INVALID', 'not a cursor of this service', { details: { field: 'cursor' } });
};

const queryOf = (request: QueryAuditRequest): EntryQuery => {
  const { tenantId, actorId, subjectId, action, traceId, fromMs, untilMs, limit, cursor } = request;
  return {
    tenantId,
    ...(actorId !== '' && { actorId }),
    ...(subjectId !== '' && { subjectId }),
    ...(action !== '' && { action }),
    ...(traceId !== '' && { traceId }),
    ...(fromMs > 0 && { fromMs }),
    ...(untilMs > 0 && { untilMs }),
    ...(cursor !== '' && { after: decodeCursor(cursor) }),
    limit: limit > 0 ? limit : defaultQueryLimit,
  };
};

/** Finds entries of a tenant, newest first. */
export const queryAudit =
  ({ audit }: Pick<ComplianceCore, 'audit'>) =>
  async (request: QueryAuditRequest): Promise<QueryAuditResponse> => {
    const query = queryOf(request);
    const found = await audit.trees.query(query);
    const last = found.at(-1);
    return {
      entries: found.map(({ leaf }) => AuditEntry.decode(leaf)),
      // A page that is exactly full may be the last: then the next one is empty.
      nextCursor: last && found.length === query.limit ? encodeCursor(last) : '',
    };
  };
