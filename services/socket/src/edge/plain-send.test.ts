import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeFrame, RefusedFrame } from './decode.ts';
import { plainSend } from './plain-send.ts';

const outcome = (value: object): unknown => {
  try {
    return decodeFrame(Buffer.from(JSON.stringify(value)), 'caas.v1.json');
  } catch (refused) {
    if (!(refused instanceof RefusedFrame)) throw refused;
    return [refused.id, refused.refusal.reason];
  }
};

const anything = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constant('c'),
  fc.integer(),
  fc.constant(null),
  fc.constant([]),
);

test('a plain send is read as the general way reads it, whatever is in it', () => {
  fc.assert(
    fc.property(anything, anything, anything, anything, (id, conversationId, clientMsgId, text) => {
      const send = { conversationId, clientMsgId, content: { text } };
      // The proto names are not known to the fast way.
      const general = { conversation_id: conversationId, client_msg_id: clientMsgId, content: { text } };
      expect(outcome({ id, sendMessage: send })).toEqual(outcome({ id, send_message: general }));
    }),
    { numRuns: 2_000 },
  );
});

test('takes nothing that has more than a text', () => {
  const send = { conversationId: 'c', clientMsgId: 'm', content: { text: 't' } };
  expect(plainSend({ id: '1', sendMessage: send })).toBeDefined();
  expect(plainSend({ id: '1', sendMessage: send, traceparent: 'x' })).toBeUndefined();
  expect(plainSend({ id: '1', sendMessage: { ...send, retry: true } })).toBeUndefined();
  expect(plainSend({ id: '1', sendMessage: { ...send, content: { text: 't', mentions: ['u'] } } })).toBeUndefined();
  expect(plainSend({ id: '1', sendMessage: send, markRead: {} })).toBeUndefined();
  expect(plainSend(JSON.parse('{"id":"1","__proto__":{"a":1},"sendMessage":{}}'))).toBeUndefined();
});
