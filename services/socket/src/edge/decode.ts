import type { DescMessage } from '@bufbuild/protobuf';
import { CaasError, fail } from '@caas/kit';
import { limitsOf } from '@caas/kit/contract';
import { ClientFrame } from '@caas/proto/caas/socket/v1/commands';
import { descriptors } from '@caas/proto/descriptor';
import type { Subprotocol } from './frames.ts';
import { type ShapeFault, shapeOf, shown } from './json-shape.ts';
import { plainSend } from './plain-send.ts';
import { hasMoreFields, maxFrameFields } from './wire-fields.ts';

/** What could be told of a frame that was refused: its id, so that the answer finds the caller, and its trace. */
export class RefusedFrame extends Error {
  readonly id: string;
  /** As the client wrote it; undefined: none that could be read. */
  readonly traceparent: string | undefined;
  readonly refusal: CaasError;
  /** True when the frame could not even be parsed. */
  readonly malformed: boolean;

  constructor(frame: object, refusal: CaasError, malformed: boolean) {
    super(refusal.message);
    this.id = idOf(frame);
    const { traceparent } = frame as { traceparent?: unknown };
    this.traceparent = typeof traceparent === 'string' ? traceparent : undefined;
    this.refusal = refusal;
    this.malformed = malformed;
  }
}

/** Names in a frame of JSON that may stand beside each other at most: no valid frame has half as many. */
const maxFrameKeys = 8;
const frameKeys: ReadonlySet<string> = new Set(['id', 'traceparent']);

const typeName = 'caas.socket.v1.ClientFrame';
let frameType: DescMessage | undefined;
let shape: ReturnType<typeof shapeOf> | undefined;
let checkLimits: ((message: object) => void) | undefined;
let commandNames: ReadonlySet<string> | undefined;

const prepare = (): void => {
  const type = descriptors().getMessage(typeName) ?? fail('INTERNAL', 'no descriptor of ClientFrame');
  frameType = type;
  shape = shapeOf(type);
  checkLimits = limitsOf(typeName);
  commandNames = new Set(type.oneofs.flatMap((o) => o.fields.flatMap((f) => [f.jsonName, f.name])));
};

/** Decodes and validates one frame, or throws RefusedFrame. Does not mutate what it is given. */
export const decodeFrame = (data: Buffer, subprotocol: Subprotocol): ClientFrame => {
  if (!shape) prepare();
  const frame = subprotocol === 'caas.v1.json' ? fromJson(data) : fromProto(data);
  try {
    (checkLimits as (message: object) => void)(frame);
  } catch (error) {
    if (error instanceof CaasError) throw new RefusedFrame(frame, error, false);
    throw error;
  }
  // After the limits, which end at the first list that is too long. The shapes do this for JSON.
  const field = subprotocol === 'caas.v1.json' ? undefined : unfitText(frame.command?.value, '');
  if (field !== undefined)
    throw new RefusedFrame(
      frame,
      new CaasError('INVALID_ARGUMENT', `${field}: well-formed text without NUL`, { details: { field } }),
      false,
    );
  return frame;
};

const fromJson = (data: Buffer): ClientFrame => {
  let value: unknown;
  try {
    value = JSON.parse(data.toString());
  } catch {
    throw new RefusedFrame({}, new CaasError('MALFORMED_FRAME', 'the frame is not JSON'), true);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new RefusedFrame({}, new CaasError('MALFORMED_FRAME', 'the frame is not a JSON object'), true);
  }
  const keys = Object.keys(value);
  // One look at a thousand names is enough.
  if (keys.length > maxFrameKeys) throw new RefusedFrame(value, refusalOf(keys, unknownAmong(keys)), false);
  const plain = plainSend(value);
  if (plain) return plain;
  const fault = (shape as ReturnType<typeof shapeOf>)(value);
  if (fault) throw new RefusedFrame(value, refusalOf(keys, fault), false);
  let commands = 0;
  for (const key of keys) if ((commandNames as ReadonlySet<string>).has(key)) commands++;
  if (commands !== 1) {
    throw new RefusedFrame(
      value,
      new CaasError('INVALID_ARGUMENT', 'a frame carries exactly one command', { details: { field: 'command' } }),
      false,
    );
  }
  return ClientFrame.fromJSON(value);
};

const unknownAmong = (keys: readonly string[]): ShapeFault => {
  const unknown = keys.find((key) => !frameKeys.has(key) && !(commandNames as ReadonlySet<string>).has(key)) ?? '';
  return { path: [], field: [], message: 'unknown field', unknown: shown(unknown) };
};

const fromProto = (data: Buffer): ClientFrame => {
  if (hasMoreFields(data, frameType as DescMessage, maxFrameFields))
    throw new RefusedFrame(
      { id: idBefore(data, 'caas.v1.proto') },
      new CaasError('INVALID_ARGUMENT', `a frame has at most ${maxFrameFields} fields`, {
        details: { limit: 'maxFrameFields', value: String(maxFrameFields), unit: 'fields' },
      }),
      false,
    );
  let frame: ClientFrame;
  try {
    frame = ClientFrame.decode(data);
  } catch {
    throw new RefusedFrame({}, new CaasError('MALFORMED_FRAME', 'the frame is not a ClientFrame'), true);
  }
  // An unknown command looks like none: its field was skipped.
  if (!frame.command)
    throw new RefusedFrame(
      frame,
      new CaasError('UNIMPLEMENTED', 'no command this node knows', { details: { command: 'unknown' } }),
      false,
    );
  return frame;
};

/** Path of the first text with NUL, which engines behind us refuse. */
const unfitText = (value: unknown, path: string): string | undefined => {
  if (typeof value === 'string') return value.includes('\0') ? path : undefined;
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return undefined;
  for (const key in value) {
    if (key.includes('\0')) return path;
    const found = unfitText((value as Record<string, unknown>)[key], path === '' ? key : `${path}.${key}`);
    if (found !== undefined) return found;
  }
  return undefined;
};

/** The id of a frame that is not decoded, where it comes first, as every encoder writes it; '' where it does not. */
export const idBefore = (data: Buffer, subprotocol: Subprotocol): string => {
  if (subprotocol === 'caas.v1.json')
    return /^\s*\{\s*"id"\s*:\s*"([^"\\]{0,64})"/.exec(data.toString('utf8', 0, 256))?.[1] ?? '';
  const length = data[0] === 0x0a ? (data[1] ?? 0) : 0;
  return length <= 64 && data.length >= 2 + length ? data.toString('utf8', 2, 2 + length) : '';
};

const idOf = (value: object): string => {
  const id = (value as { id?: unknown }).id;
  return typeof id === 'string' && id.length <= 64 ? id : '';
};

/** The first thing wrong, by its path; a name where a command belongs that is none is an unknown command. */
const refusalOf = (keys: readonly string[], { path, field, message, unknown, tooMany }: ShapeFault): CaasError => {
  if (tooMany) {
    // As the limits say it that are judged after decoding.
    const name = field.join('.');
    const details = { field: name, bound: 'max', limit: String(tooMany.max), unit: 'items' };
    return new CaasError('INVALID_ARGUMENT', `${name} is ${tooMany.items} items, at most ${tooMany.max} allowed`, {
      details,
    });
  }
  if (unknown !== undefined && path.length === 0) {
    const known = keys.some((key) => (commandNames as ReadonlySet<string>).has(key));
    return known
      ? new CaasError('INVALID_ARGUMENT', `unknown field ${unknown}`, { details: { field: unknown } })
      : new CaasError('UNIMPLEMENTED', `unknown command ${unknown}`, { details: { command: unknown } });
  }
  const where = path.join('.').slice(0, 200);
  const what = unknown === undefined ? `${where || 'frame'}: ${message}` : `unknown field ${unknown} in ${where}`;
  return new CaasError('INVALID_ARGUMENT', what, { details: { field: where } });
};
