import type { DescMessage } from '@bufbuild/protobuf';
import { nestedType } from '@caas/kit/contract';

/** Fields of one binary frame, those of messages within it included: more than any command needs, many times over. */
export const maxFrameFields = 4_096;

/** Field numbers that hold messages, by message type. */
const nested = new Map<DescMessage, Map<number, DescMessage>>();

const nestedOf = (type: DescMessage): Map<number, DescMessage> => {
  let known = nested.get(type);
  if (!known) {
    known = new Map();
    nested.set(type, known);
    for (const field of type.fields) {
      const inner = nestedType(field);
      if (inner) known.set(field.number, inner);
    }
  }
  return known;
};

/**
 * True when a message has more than `max` fields. Looks at no value: the decoder makes something of every field, at 0.5 µs
 * and more for one of two bytes, before any limit can be asked. Bytes that are no message are left to the decoder.
 */
export const hasMoreFields = (bytes: Uint8Array, type: DescMessage, max: number): boolean => {
  let fields = 0;
  let at = 0;
  const varint = (end: number): number => {
    let value = 0;
    for (let shift = 0; at < end; shift += 7) {
      const byte = bytes[at++] as number;
      // Beyond 28 bits it is no length or number of a field that a frame could have.
      if (shift < 28) value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
    return value;
  };
  const walk = (end: number, inner: Map<number, DescMessage> | undefined): void => {
    while (at < end && fields <= max) {
      const tag = varint(end);
      fields++;
      const wire = tag & 7;
      if (wire === 0) varint(end);
      else if (wire === 1) at += 8;
      else if (wire === 5) at += 4;
      else if (wire === 2) {
        const length = varint(end);
        const message = inner?.get(tag >>> 3);
        const next = at + length;
        if (next > end) return;
        if (message) walk(next, nestedOf(message));
        at = next;
      }
      // Groups are counted by what is in them.
      else if (wire > 4) return;
    }
  };
  walk(bytes.length, nestedOf(type));
  return fields > max;
};
