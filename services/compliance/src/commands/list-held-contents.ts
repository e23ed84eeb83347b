import { fail } from '@caas/kit';
import type { HeldPlace } from '@caas/policy-store';
import {
  HeldContent,
  type ListHeldContentsRequest,
  type ListHeldContentsResponse,
} from '@caas/proto/caas/compliance/v1/policy_service';
import type { ComplianceCore } from '../core.ts';
import { defaultHeldLimit } from '../limits.ts';

const encodeCursor = ({ heldAtMs, heldId }: HeldPlace): string =>
  Buffer.from(`${heldAtMs}.${heldId}`).toString('base64url');

const decodeCursor = (cursor: string): HeldPlace => {
  const match = /^(\d{1,16})\.([\x21-\x7e]{1,64})$/.exec(Buffer.from(cursor, 'base64url').toString());
  return match
    ? { heldAtMs: Number(match[1]), heldId: match[2] as string }
    : fail('CURSOR_INVALID', 'not a cursor of this service', { details: { field: 'cursor' } });
};

/** What a tenant's moderators have to decide, oldest first. */
export const listHeldContents =
  ({ policies }: Pick<ComplianceCore, 'policies'>) =>
  async ({ tenantId, limit, cursor }: ListHeldContentsRequest): Promise<ListHeldContentsResponse> => {
    const most = limit || defaultHeldLimit;
    const found = await policies.store.held(tenantId, most, cursor === '' ? undefined : decodeCursor(cursor));
    const last = found.at(-1);
    return {
      contents: found.map(({ content }) => HeldContent.decode(content)),
      // A page that is exactly full may be the last: then the next one is empty.
      cursor: last && found.length === most ? encodeCursor(last) : '',
    };
  };
