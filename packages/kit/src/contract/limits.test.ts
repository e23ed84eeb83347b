import { expect, test } from '@jest/globals';
import { tenantLimitCeilings } from '../tenant-limits.ts';
import { limitsOf } from './limits.ts';

test('a tenant is promised no more than the contract lets through, and all of that', () => {
  const check = limitsOf('caas.events.v1.PlainContent');
  const { maxTextBytes, maxAttachments, maxMentions } = tenantLimitCeilings;
  const content = (more: number): [string, object][] => [
    ['text', { text: 'x'.repeat(maxTextBytes + more) }],
    ['attachments', { attachments: Array.from({ length: maxAttachments + more }, () => ({ mediaId: 'm' })) }],
    ['mentions', { mentions: Array.from({ length: maxMentions + more }, () => 'u') }],
  ];
  const empty = { text: '', attachments: [], mentions: [], metadata: {} };
  for (const [, fields] of content(0)) expect(() => check({ ...empty, ...fields })).not.toThrow();
  for (const [field, fields] of content(1)) expect(() => check({ ...empty, ...fields })).toThrow(field);
});
