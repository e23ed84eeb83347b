import { CaasError, fail } from '@caas/kit';
import { limitsOf } from '@caas/kit/contract';
import { ClientFrame } from '@caas/proto/caas/socket/v1/commands';
import { descriptors } from '@caas/proto/descriptor';
import type { ZodError, ZodType } from 'zod';
import type { Subprotocol } from './frames.ts';
import { shapeOf } from './json-shape.ts';
import { plainSend } from './plain-send.ts';

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

const typeName = 'caas.socket.v1.ClientFrame';
let shape: ZodType | undefined;
let checkLimits: ((message: object) => void) | undefined;
let commandNames: ReadonlySet<string> | undefined;

const prepare = (): void => {
  const type = descriptors().getMessage(typeName) ?? fail('INTERNAL', 'no descriptor of ClientFrame');
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
  const plain = plainSend(value);
  if (plain) return plain;
  const result = (shape as ZodType).safeParse(value);
  if (!result.success) throw new RefusedFrame(value, refusalOf(value, result.error), false);
  let commands = 0;
  for (const key in value) if ((commandNames as ReadonlySet<string>).has(key)) commands++;
  if (commands !== 1) {
    throw new RefusedFrame(
      value,
      new CaasError('INVALID_ARGUMENT', 'a frame carries exactly one command', { details: { field: 'command' } }),
      false,
    );
  }
  return ClientFrame.fromJSON(value);
};

const fromProto = (data: Buffer): ClientFrame => {
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
  const field = unfitText(frame.command.value, '');
  if (field !== undefined)
    throw new RefusedFrame(
      frame,
      new CaasError('INVALID_ARGUMENT', `${field}: well-formed text without NUL`, { details: { field } }),
      false,
    );
  return frame;
};

/** Path of the first text with NUL, which engines behind us refuse; the shapes do this for JSON. */
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

const idOf = (value: object): string => {
  const id = (value as { id?: unknown }).id;
  return typeof id === 'string' && id.length <= 64 ? id : '';
};

/** The first thing wrong, by its path; a name where a command belongs that is none is an unknown command. */
const refusalOf = (value: object, error: ZodError): CaasError => {
  const issue = error.issues[0];
  if (issue?.code === 'unrecognized_keys' && issue.path.length === 0) {
    const known = Object.keys(value).some((key) => (commandNames as ReadonlySet<string>).has(key));
    const name = String(issue.keys[0]).slice(0, 64);
    return known
      ? new CaasError('INVALID_ARGUMENT', `unknown field ${name}`, { details: { field: name } })
      : new CaasError('UNIMPLEMENTED', `unknown command ${name}`, { details: { command: name } });
  }
  const field = (issue?.path ?? []).map(String).join('.').slice(0, 200);
  const unknown = issue?.code === 'unrecognized_keys' ? `unknown field ${String(issue.keys[0]).slice(0, 64)} in ` : '';
  return new CaasError(
    'INVALID_ARGUMENT',
    `${unknown}${field || 'frame'}: ${issue?.message ?? 'not as the contract says'}`,
    { details: { field } },
  );
};
