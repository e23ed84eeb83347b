import { fail } from '@caas/kit';
import {
  HeldContent,
  type HoldContentRequest,
  type HoldContentResponse,
} from '@caas/proto/caas/compliance/v1/policy_service';
import type { ComplianceCore } from '../core.ts';
import { maxHeldContents } from '../limits.ts';

/** Keeps what a node's verdict holds, for the tenant's moderators. The node audits it. */
export const holdContent =
  ({ policies, clock }: Pick<ComplianceCore, 'policies' | 'clock'>) =>
  async ({ tenantId, content }: HoldContentRequest): Promise<HoldContentResponse> => {
    if (content?.event?.value.tenantId !== tenantId)
      return fail('INVALID_ARGUMENT', 'content is not an event of the tenant', { details: { field: 'content.event' } });
    if (!/^[\x21-\x7e]+$/.test(content.heldId))
      return fail('INVALID_ARGUMENT', 'not printable ASCII', { details: { field: 'content.held_id' } });
    const heldAtMs = clock.now();
    const encoded = HeldContent.encode({ ...content, heldAtMs }).finish();
    const { event } = content;
    const senderId = event.$case === 'sent' ? event.value.senderId : event.value.editorId;
    const record = { tenantId, heldId: content.heldId, senderId, content: encoded, heldAtMs };
    if (!(await policies.store.hold(record, maxHeldContents)))
      fail('LIMIT_EXCEEDED', 'the tenant’s moderators have too much to decide', {
        details: { limit: 'maxHeldContents', value: String(maxHeldContents), unit: 'contents' },
      });
    return {};
  };
