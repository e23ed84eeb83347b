import { createHash } from 'node:crypto';
import { reasonTable } from '@caas/kit';
import { ConversationKind } from '@caas/proto/caas/events/v1/content';
import { ClientFrame } from '@caas/proto/caas/socket/v1/commands';
import type { z } from 'zod';
import type { connectionGuide } from './schemas/auth.ts';

/** The URLs beginning with another one for each user, always the same: users spread, and find their node again. */
export const socketUrlsFor = (urls: readonly string[], userId: string): string[] => {
  const first = createHash('sha256').update(userId).digest().readUInt32BE(0) % urls.length;
  return [...urls.slice(first), ...urls.slice(0, first)];
};

const frame = (id: string, command: NonNullable<ClientFrame['command']>): Record<string, unknown> =>
  ClientFrame.toJSON({ id, traceparent: '', command }) as Record<string, unknown>;

/** What a client has to know to hold a socket; the same for everybody. Times in milliseconds. */
export const socketConnectionGuide = (times: {
  pingIntervalMs: number;
  pongTimeoutMs: number;
}): z.infer<typeof connectionGuide> => ({
  subprotocols: ['caas.v1.json', 'caas.v1.proto'],
  authorization: {
    header: 'Authorization: Bearer <access_token>',
    browser: 'new WebSocket(url, ["caas.v1.json", "bearer.<access_token>"])',
    never: 'A token in the URL is refused with TOKEN_IN_URL',
  },
  reconnect: { base_ms: 250, cap_ms: 30_000, jitter: 'full' },
  first_frames: [
    frame('1', { $case: 'listConversations', value: { after: '', limit: 50, includeLeft: false } }),
    frame('2', {
      $case: 'createConversation',
      value: {
        kind: ConversationKind.CONVERSATION_KIND_DIRECT,
        clientRef: '',
        title: '',
        avatarUrl: '',
        metadata: {},
        memberIds: ['<user_id>'],
      },
    }),
    frame('3', {
      $case: 'sendMessage',
      value: {
        conversationId: '<conversation_id>',
        clientMsgId: '<your own id, new for each message>',
        content: { text: 'hello', attachments: [], mentions: [], metadata: {} },
        replyToMessageId: '',
        threadRootId: '',
        retry: false,
      },
    }),
  ],
  ping_interval_ms: times.pingIntervalMs,
  pong_timeout_ms: times.pongTimeoutMs,
  close_codes: [...reasonTable]
    .filter(([, rule]) => rule.close !== 0)
    .map(([reason, rule]) => ({
      code: rule.close,
      reason,
      retryable: rule.retryable,
      retry_after_ms: rule.retryAfterMs,
      meaning: rule.meaning,
    })),
});
