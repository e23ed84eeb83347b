import { PlainContent } from '@caas/proto/caas/events/v1/content';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { encodeContent } from './sealed-content.ts';

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.constantFrom(0, 127, 128, 16_383, 16_384).map((length) => 'x'.repeat(length)),
);

test('content that is encoded by hand is what the generated code writes', () => {
  const content = fc.record({
    text,
    attachments: fc.array(fc.record({ mediaId: text, name: text, mediaType: text, sizeBytes: fc.nat() }), {
      maxLength: 1,
    }),
    mentions: fc.array(text, { maxLength: 1 }),
    metadata: fc.dictionary(text, text, { maxKeys: 1, noNullPrototype: true }),
  });
  const plain = text.map((each) => PlainContent.fromPartial({ text: each }));
  fc.assert(
    fc.property(fc.oneof(content, plain), (each) => {
      expect(Buffer.from(encodeContent(each))).toEqual(Buffer.from(PlainContent.encode(each).finish()));
    }),
  );
});
