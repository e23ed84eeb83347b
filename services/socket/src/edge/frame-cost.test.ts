import type { DescField } from '@bufbuild/protobuf';
import { limitOf } from '@caas/kit/contract';
import { descriptors } from '@caas/proto/descriptor';
import { describe, expect, test } from '@jest/globals';
import { defaultBounds } from '../limits.ts';
import { decodeFrame, RefusedFrame } from './decode.ts';
import type { Subprotocol } from './frames.ts';

const { maxFrameBytes } = defaultBounds;

/** As often as fits in a frame. */
const many = (item: string, last: string, room = maxFrameBytes - 200): string =>
  item.repeat(Math.floor((room - last.length) / item.length)) + last;

const numbered = (entry: (i: number) => string, room = maxFrameBytes - 200): string => {
  const entries: string[] = [];
  for (let i = 0, bytes = 0; ; i++) {
    const next = entry(i);
    bytes += next.length + 1;
    if (bytes > room) return entries.join(',');
    entries.push(next);
  }
};

/** Values that are as much work to refuse as their bytes allow. */
const nasty: Record<string, string> = {
  'a list of numbers': `[${many('1,', '1')}]`,
  'a list of nulls': `[${many('null,', 'null')}]`,
  'a list of lists': `[${many('[],', '[]')}]`,
  'a list of objects': `[${many('{},', '{}')}]`,
  'a list of objects with an unknown field': `[${many('{"a":1},', '{}')}]`,
  'a list of empty texts': `[${many('"",', '""')}]`,
  'many keys': `{${numbered((i) => `"k${i}":1`)}}`,
  'many keys with texts': `{${numbered((i) => `"k${i}":"v"`)}}`,
  'many keys with objects': `{${numbered((i) => `"k${i}":{}`)}}`,
  'deep lists': `${many('[', '', 32_000)}${many(']', '', 32_000)}`,
  'deep objects': `${many('{"a":', '1', 50_000)}${'}'.repeat(10_000)}`,
  'a long text': `"${many('x', '')}"`,
  'a long text of wide characters': `"${many('€', '', 20_000)}"`,
  'a long text of escapes': `"${many('\\u00e9', '')}"`,
  'a long text of lone surrogates': `"${many('\\ud800', '')}"`,
  'a long number': many('9', ''),
};

/** Fields of commands that are judged in different ways. */
const kinds = (): { command: DescField; field: DescField }[] => {
  const type = descriptors().getMessage('caas.socket.v1.ClientFrame');
  const all = (type?.oneofs[0]?.fields ?? []).flatMap((command) =>
    (command.message?.fields ?? []).map((field) => ({ command, field })),
  );
  const kindOf = (field: DescField): string =>
    [field.fieldKind, field.message?.typeName ?? field.enum?.typeName ?? field.scalar, limitOf(field)?.maxItems].join();
  return [...Map.groupBy(all, ({ field }) => kindOf(field)).values()].flatMap(([first]) => first ?? []);
};

const jsonFrames = function* (): Generator<[string, Buffer]> {
  for (const [what, value] of Object.entries(nasty)) {
    yield [`${what} as the frame`, Buffer.from(value)];
    yield [`${what} beside the id`, Buffer.from(`{"id":"x","a":${value}}`)];
    yield [`${what} as a command`, Buffer.from(`{"id":"x","sync":${value}}`)];
    for (const { command, field } of kinds())
      yield [
        `${what} as ${command.name}.${field.name}`,
        Buffer.from(`{"id":"x","${command.jsonName}":{"${field.jsonName}":${value}}}`),
      ];
  }
};

const varint = (n: number): number[] => (n < 128 ? [n] : [(n & 127) | 128, ...varint(n >>> 7)]);
const delimited = (number: number, bytes: Buffer): Buffer =>
  Buffer.concat([Buffer.from([...varint((number << 3) | 2), ...varint(bytes.length)]), bytes]);
const times = (bytes: number[]): Buffer => {
  const one = Buffer.from(bytes);
  return Buffer.alloc(Math.floor((maxFrameBytes - 64) / one.length) * one.length, one);
};

const protoFrames = function* (): Generator<[string, Buffer]> {
  yield ['groups in groups', times([0x0b])];
  yield ['unknown fields', times([0xf8, 0x07, 0x01])];
  yield ['ids', times([0x0a, 0x00])];
  for (const { command, field } of kinds()) {
    yield [`${command.name} again and again`, times([...varint((command.number << 3) | 2), 0])];
    const tag = varint((field.number << 3) | 2);
    for (const [what, entry] of [
      ['empty ones', [...tag, 0]],
      ['of one byte', [...tag, 1, 0]],
      ['entries of a map', [...tag, 3, 0x0a, 1, 97]],
    ] as const)
      yield [`${what} as ${command.name}.${field.name}`, delimited(command.number, times([...entry]))];
  }
};

/** Does the work, whatever it refuses. */
const attempt = (work: () => unknown): void => {
  try {
    work();
  } catch (error) {
    if (!(error instanceof RefusedFrame) && !(error instanceof SyntaxError)) throw error;
  }
};

/** Least of some runs, ms: quick to measure, and too much where the machine has others to serve. */
const leastMs = (work: () => unknown, enoughMs: number): number => {
  let least = Number.POSITIVE_INFINITY;
  for (let run = 0; run < 8 && least > enoughMs; run++) {
    const startedAt = performance.now();
    attempt(work);
    least = Math.min(least, performance.now() - startedAt);
  }
  return least;
};

/** CPU this thread spends on it, ms a run: counted by the system in steps, so over many runs. */
const cpuMs = (work: () => unknown): number => {
  const before = process.threadCpuUsage();
  let spentMs = 0;
  let runs = 0;
  while (spentMs < 100) {
    for (let run = 0; run < 8; run++, runs++) attempt(work);
    const { user, system } = process.threadCpuUsage(before);
    spentMs = (user + system) / 1_000;
  }
  return spentMs / runs;
};

describe('whatever a frame holds, to judge it costs little more than to read its bytes', () => {
  const cases: [Subprotocol, () => Generator<[string, Buffer]>][] = [
    ['caas.v1.json', jsonFrames],
    ['caas.v1.proto', protoFrames],
  ];
  // The most expensive thing JSON.parse itself can be given is the mark for both.
  const marks = Object.values(nasty).map((value) => {
    const work = (): unknown => JSON.parse(value);
    return { work, ms: leastMs(work, 0) };
  });
  const mark = marks.reduce((a, b) => (b.ms > a.ms ? b : a));
  let markCpuMs: number | undefined;
  /** How many times what is allowed it costs; above 1 only where that holds for the CPU too, which others don't take from. */
  const timesAllowed = (judge: () => unknown, read: (() => unknown) | undefined): number => {
    const allowedMs = 3 * (read ? leastMs(read, 0) : mark.ms) + mark.ms;
    const times = leastMs(judge, allowedMs) / allowedMs;
    if (times <= 1) return times;
    markCpuMs ??= cpuMs(mark.work);
    return cpuMs(judge) / (3 * (read ? cpuMs(read) : markCpuMs) + markCpuMs);
  };

  test.each(cases)(
    'in %s',
    (subprotocol, frames) => {
      const costly: string[] = [];
      for (const [what, data] of frames()) {
        expect(data.length).toBeLessThanOrEqual(maxFrameBytes);
        const read = subprotocol === 'caas.v1.json' ? () => JSON.parse(data.toString()) : undefined;
        const times = timesAllowed(() => decodeFrame(data, subprotocol), read);
        if (times > 1) costly.push(`${what}: ${times.toFixed(1)} times`);
      }
      expect(costly).toEqual([]);
    },
    120_000,
  );

  test('and no refusal says more than a line', () => {
    for (const [subprotocol, frames] of cases)
      for (const [, data] of frames()) {
        let message = '';
        try {
          decodeFrame(data, subprotocol);
        } catch (error) {
          if (error instanceof RefusedFrame) message = JSON.stringify([error.message, error.refusal.details]);
        }
        expect(message.length).toBeLessThan(600);
      }
  });
});
