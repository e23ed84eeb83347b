import { connect, type Socket } from 'node:net';
import { CaasError, type Clock, ruleOf } from '@caas/kit';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { NodeServices } from '../commands/command.ts';
import { Turn } from '../delivery/turn.ts';
import { defaultBounds, type NodeBounds } from '../limits.ts';
import { FaultLog } from './fault-log.ts';
import { Edge } from './server.ts';

const quiet = { debug: () => undefined, warn: () => undefined, info: () => undefined, error: () => undefined } as never;

const until = async (what: string, holds: () => unknown, withinMs = 5_000): Promise<void> => {
  const deadline = Date.now() + withinMs;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};

const stopping = new Set<() => Promise<void>>();
afterEach(async () => {
  for (const stop of stopping) await stop();
  stopping.clear();
});

const open = async (bounds: Partial<NodeBounds> = {}) => {
  const clock: Clock = { now: () => Date.now() };
  const node = {
    bounds: { ...defaultBounds, ...bounds },
    clock,
    logger: quiet,
    faults: new FaultLog(clock, quiet),
    reads: { pressed: () => false },
    audit: { record: () => undefined },
    gate: { verify: () => Promise.reject(new CaasError('UNAUTHENTICATED', 'nobody')), closed: () => undefined },
  };
  const edge = new Edge(node as unknown as NodeServices, new Turn(), {
    host: '127.0.0.1',
    port: 0,
    health: { ready: () => true, degraded: () => [] },
  });
  const { port } = await edge.listen();
  stopping.add(() => edge.close());
  const said = (text: string): Promise<string> =>
    new Promise((resolve, reject) => {
      let got = '';
      const socket = connect(port, '127.0.0.1', () => socket.write(text));
      socket.on('data', (data) => {
        got += data.toString();
      });
      socket.on('close', () => resolve(got));
      socket.on('error', reject);
    });
  return { port, said };
};

const upgrade = (lines: string[], method = 'GET'): string =>
  [`${method} / HTTP/1.1`, 'host: x', 'connection: upgrade', 'upgrade: websocket', ...lines, '', ''].join('\r\n');
const version = 'sec-websocket-version: 13';
const key = 'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==';
const protocol = 'sec-websocket-protocol: caas.v1.json';

describe('every refusal of the HTTP edge is a problem with reason, hint and trace id', () => {
  test.each<[string, string, number, string]>([
    [
      'headers that are too long',
      `GET / HTTP/1.1\r\nhost: x\r\nx: ${'a'.repeat(20_000)}\r\n\r\n`,
      431,
      'FRAME_TOO_LARGE',
    ],
    ['what is not HTTP', 'NOT HTTP\r\n\r\n', 400, 'MALFORMED_FRAME'],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, 'MALFORMED_FRAME'],
    ['no Host', 'GET / HTTP/1.1\r\n\r\n', 400, 'MALFORMED_FRAME'],
    ['CONNECT', 'CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n', 405, 'METHOD_NOT_ALLOWED'],
    ['an expectation', 'GET / HTTP/1.1\r\nhost: x\r\nexpect: foo\r\n\r\n', 417, 'INVALID_ARGUMENT'],
    ['a bad key', upgrade([version, 'sec-websocket-key: x', protocol]), 400, 'PROTOCOL_VIOLATION'],
    ['another version', upgrade(['sec-websocket-version: 12', key, protocol]), 400, 'PROTOCOL_VIOLATION'],
    ['a list of subprotocols that is none', upgrade([version, key, `${protocol},,@@`]), 400, 'PROTOCOL_VIOLATION'],
    ['a subprotocol twice', upgrade([version, key, `${protocol}, caas.v1.json`]), 400, 'PROTOCOL_VIOLATION'],
    ['an upgrade by POST', upgrade([version, key, protocol], 'POST'), 405, 'METHOD_NOT_ALLOWED'],
    [
      'an upgrade to something else',
      `GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n${protocol}\r\n\r\n`,
      400,
      'PROTOCOL_VIOLATION',
    ],
  ])('%s', async (_, text, status, reason) => {
    const { said } = await open();
    const answer = await said(text);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(answer).toContain('content-type: application/problem+json');
    const problem = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4));
    expect(problem).toMatchObject({ status, reason, retryable: ruleOf(reason as 'UNAVAILABLE').retryable });
    expect(problem.trace_id).toMatch(/^[0-9a-f]{32}$/);
    expect(answer).toContain(`traceparent: 00-${problem.trace_id}`);
  });

  test('a request that takes too long to arrive, soon after its time', async () => {
    const { said } = await open({ requestTimeoutMs: 300 });
    const startedAt = performance.now();
    const answer = await said('GET / HTTP/1.1\r\nhost: x\r\n');
    expect(performance.now() - startedAt).toBeLessThan(4_000);
    expect(answer).toMatch(/^HTTP\/1\.1 408 .*"reason":"DEADLINE_EXCEEDED"/s);
  });
});

test('sockets of one address that are no WebSocket are bounded, also when kept alive; those that go make room', async () => {
  const { port, said } = await open({ maxPlainPerAddress: 3, requestTimeoutMs: 60_000 });
  const live = 'GET /health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n';
  const sockets: Socket[] = [];
  const openOne = async (): Promise<{ cut: () => boolean; socket: Socket }> => {
    let cut = false;
    const socket = connect(port, '127.0.0.1');
    sockets.push(socket);
    socket.on('close', () => {
      cut = true;
    });
    socket.on('error', () => undefined);
    await new Promise((resolve) => socket.once('connect', resolve));
    return { cut: () => cut, socket };
  };
  const held = [await openOne(), await openOne(), await openOne()];
  // An answered request does not make the socket one that takes no place.
  const answered = new Promise((resolve) => held[1]?.socket.once('data', resolve));
  held[1]?.socket.write('GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n');
  await answered;
  const fourth = await openOne();
  await until('the fourth is cut off', fourth.cut);
  expect(held.map(({ cut }) => cut())).toEqual([false, false, false]);
  held[0]?.socket.destroy();
  let answer = '';
  const deadline = Date.now() + 3_000;
  while (!answer.startsWith('HTTP/1.1 200') && Date.now() < deadline) answer = await said(live).catch(() => '');
  expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  for (let i = 0; i < 10; i++) expect(await said(live)).toMatch(/^HTTP\/1\.1 200 /);
  for (const socket of sockets) socket.destroy();
});

describe('faults of an engine', () => {
  const open = () => {
    let nowMs = 1_000_000;
    const lines: object[] = [];
    const logger = { error: (fields: object) => lines.push(fields) } as never;
    const faults = new FaultLog({ now: () => nowMs }, logger);
    return {
      faults,
      lines,
      advance: (ms: number) => {
        nowMs += ms;
      },
    };
  };
  const corrupt = (): CaasError =>
    new CaasError('HISTORY_UNAVAILABLE', 'x', {
      cause: new CaasError('UNAVAILABLE', 'y', { details: { engine: 'SQLITE_CORRUPT' }, retryable: false }),
    });

  test('are told as errors, once in a while, and known as damage for a while', () => {
    const { faults, lines, advance } = open();
    for (let i = 0; i < 100; i++) faults.heard(corrupt(), 'command failed', { traceId: 't' });
    expect(lines).toEqual([expect.objectContaining({ engine: 'SQLITE_CORRUPT', traceId: 't', untold: 0 })]);
    expect(faults.damaged).toBe(true);
    advance(30_000);
    expect(faults.damaged).toBe(false);
    faults.heard(corrupt(), 'command failed', {});
    expect(lines[1]).toMatchObject({ untold: 99 });
  });

  test('that pass are no damage, and refusals of clients are told nobody', () => {
    const { faults, lines } = open();
    faults.heard(new CaasError('UNAVAILABLE', 'y', { details: { engine: 'SQLITE_FULL' } }), 'command failed', {});
    faults.heard(new CaasError('INVALID_ARGUMENT', 'y'), 'command failed', {});
    expect(lines).toHaveLength(1);
    expect(faults.damaged).toBe(false);
  });
});
