import { encodeMessage } from '@caas/kit/encode';
import { PlainContent } from '@caas/proto/caas/events/v1/content';
import { MessageSent } from '@caas/proto/caas/events/v1/message_events';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { withPlainContent, withSealedContent } from './sent-bytes.ts';

/** Of every size of a length in protobuf that a message can have. */
const bytes = (): fc.Arbitrary<Buffer> =>
  fc
    .oneof(
      fc.uint8Array({ minLength: 1, maxLength: 300 }),
      fc.constantFrom(127, 128, 16_383, 16_384, 65_000).map((size) => new Uint8Array(size).fill(7)),
    )
    .map((array) => Buffer.from(array));
const words = (): fc.Arbitrary<string> => fc.string({ unit: 'binary', minLength: 1, maxLength: 200 });
const base = fc
  .record({ tenantId: words(), conversationId: words(), messageId: words(), clientMsgId: words(), nodeId: words() })
  .map((parts) =>
    MessageSent.fromPartial({ ...parts, contentHash: Buffer.alloc(16, 1), acceptedAtMs: 1_700_000_000_000 }),
  );

test('content that is appended is read as content that was encoded with the rest', () => {
  fc.assert(
    fc.property(
      base,
      words(),
      fc.record({ keyId: words(), nonce: bytes(), ciphertext: bytes() }),
      (sent, text, sealed) => {
        const encoded = encodeMessage(MessageSent, sent);
        const plain = PlainContent.fromPartial({ text });
        expect(MessageSent.decode(withPlainContent(encoded, encodeMessage(PlainContent, plain)))).toEqual({
          ...sent,
          content: { body: { $case: 'plain', value: plain } },
        });
        expect(MessageSent.decode(withSealedContent(encoded, sealed))).toEqual({
          ...sent,
          content: { body: { $case: 'sealed', value: sealed } },
        });
      },
    ),
  );
});
