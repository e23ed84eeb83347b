import { CaasError } from '@caas/kit';
import { Claims } from '@caas/proto/caas/common/v1/claims';
import { afterEach, describe, expect, test } from '@jest/globals';
import { WebSocket } from 'ws';
import type { NodeServices } from '../commands/command.ts';
import { CommitWatch } from '../delivery/commit-watch.ts';
import { EnvelopeSeal } from '../delivery/envelope-seal.ts';
import { KeptRates } from '../delivery/kept-rates.ts';
import { NodeLink } from '../delivery/node-link.ts';
import { Turn } from '../delivery/turn.ts';
import { defaultBounds, defaultLimits, type Limits, limitsOf } from '../limits.ts';
import type { Connection } from './connection.ts';
import { type AuthClients, Gate, type Verified } from './gate.ts';
import { Rates } from './rates.ts';
import { ReadBudget } from './read-budget.ts';
import { Edge } from './server.ts';

const nothing = () => undefined;
const quiet = { isLevelEnabled: () => false, debug: nothing, warn: nothing, info: nothing, error: nothing } as never;

const until = async (what: string, holds: () => unknown): Promise<void> => {
  const deadline = Date.now() + 3_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
};

const aClaim = (sessionId: string, scopes = ['chat']): Claims =>
  Claims.fromPartial({ tenantId: 't', userId: 'u', sessionId, scopes, expiresAtMs: Date.now() + 600_000 });

describe('the gate', () => {
  /** Auth whose stream, verdicts and checks are the test's. */
  class StillAuth {
    scopes = ['chat'];
    limits: object | undefined;
    allowedOrigins: string[] = [];
    invalid: string[] = [];
    blind = false;
    /** The store behind it does not answer. */
    storeAway = false;
    readonly checked: string[][] = [];
    /** Tokens of each call, in the order of the calls. */
    readonly asked: number[] = [];
    /** Calls are answered once this resolves. */
    answers: Promise<void> = Promise.resolve();
    #beat: () => void = () => undefined;
    beat(): void {
      this.#beat();
    }
    readonly clients = {
      tokens: {
        verifyTokens: async ({ accessTokens }: { accessTokens: string[] }) => {
          this.asked.push(accessTokens.length);
          await this.answers;
          const { limits, allowedOrigins } = this;
          return {
            verdicts: accessTokens.map((token) => ({
              verdict: { $case: 'verified', value: { claims: aClaim(token, this.scopes), limits, allowedOrigins } },
            })),
          };
        },
      },
      sessions: {
        checkSessions: async ({ sessions }: { sessions: { sessionId: string }[] }) => {
          this.checked.push(sessions.map((s) => s.sessionId));
          if (this.storeAway) throw new CaasError('DEADLINE_EXCEEDED', 'late');
          return { invalidSessionIds: this.invalid };
        },
        watchRevocations: (_: object, { signal }: { signal: AbortSignal }) => this.#beats(signal),
      },
    } as unknown as AuthClients;
    async *#beats(signal: AbortSignal) {
      for (;;) {
        await new Promise<void>((resolve, reject) => {
          this.#beat = resolve;
          signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true });
        });
        yield { revoked: [], blind: this.blind };
      }
    }
  }
  const stopping = new Set<() => Promise<void>>();
  afterEach(async () => {
    for (const stop of stopping) await stop();
    stopping.clear();
  });
  const open = () => {
    const auth = new StillAuth();
    const ceilings: Limits = { ...defaultLimits, sendsPerSecond: 1_000 };
    const gate = new Gate(auth.clients, (own) => limitsOf(own, defaultLimits, ceilings), quiet);
    const abort = new AbortController();
    const running = gate.run(abort.signal);
    stopping.add(async () => {
      abort.abort();
      await running;
    });
    return { auth, gate };
  };
  const aConnection = (verified: Verified, origin?: string) => {
    const ended: string[] = [];
    const connection = {
      claims: verified.claims,
      limits: verified.limits,
      origin,
      closed: false,
      end: (reason: string) => ended.push(reason),
      renewLimits(limits: Limits) {
        this.limits = limits;
      },
    };
    return { connection: connection as unknown as Connection, ended };
  };

  test('tells once that auth is away, and then not with each attempt to reach it', async () => {
    let attempts = 0;
    const lines: object[] = [];
    const sessions = {
      // biome-ignore lint/correctness/useYield: there is nothing to yield
      async *watchRevocations() {
        attempts++;
        throw new CaasError('UNAVAILABLE', 'away');
      },
    };
    const logger = { ...(quiet as object), warn: (fields: object) => lines.push(fields) } as never;
    const gate = new Gate({ tokens: {}, sessions } as never, () => defaultLimits, logger);
    const abort = new AbortController();
    const running = gate.run(abort.signal);
    const deadline = Date.now() + 10_000;
    while (attempts < 3 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
    abort.abort();
    await running;
    expect(attempts).toBeGreaterThanOrEqual(3);
    expect(lines).toEqual([expect.objectContaining({ untold: 0 })]);
  });

  test('lets nobody in whose token has no scope for it', async () => {
    const { auth, gate } = open();
    auth.scopes = ['media'];
    await expect(gate.verify('a')).rejects.toMatchObject({ reason: 'UNAUTHENTICATED', details: { scope: 'chat' } });
  });

  test('asks for many tokens at once: a few wait for the call under way, a crowd for none', async () => {
    const { auth, gate } = open();
    let answer = (): void => undefined;
    auth.answers = new Promise((resolve) => {
      answer = resolve;
    });
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    const verdicts = [gate.verify('first')];
    await turn();
    for (let i = 0; i < 100; i++) verdicts.push(gate.verify(`few-${i}`));
    await turn();
    expect(auth.asked).toEqual([1]);
    for (let i = 0; i < 50; i++) verdicts.push(gate.verify(`more-${i}`));
    await turn();
    expect(auth.asked).toEqual([1, 150]);
    verdicts.push(gate.verify('last'));
    answer();
    await Promise.all(verdicts);
    expect(auth.asked).toEqual([1, 150, 1]);
  });

  test('checks a session again that was verified before a check of all and came in after it', async () => {
    const { auth, gate } = open();
    const verified = await gate.verify('a');
    auth.invalid = ['a'];
    await until('checked', () => {
      auth.beat();
      return gate.connected;
    });
    expect(auth.checked).toEqual([]);
    const { connection, ended } = aConnection(verified);
    gate.opened(connection, verified.checks);
    await until('ended', () => {
      auth.beat();
      return ended.length > 0;
    });
    expect(ended).toEqual(['SESSION_REVOKED']);
    // One that was verified after it is not asked for again.
    auth.invalid = [];
    const later = await gate.verify('b');
    gate.opened(aConnection(later).connection, later.checks);
    const asked = auth.checked.length;
    auth.beat();
    await new Promise((resolve) => setImmediate(resolve));
    expect(auth.checked).toHaveLength(asked);
  });

  test('is blind, not cut off, while auth can’t ask its store, and checks all once it can', async () => {
    const { auth, gate } = open();
    const beatUntil = (what: string, holds: () => unknown) =>
      until(what, () => {
        auth.beat();
        return holds();
      });
    expect([gate.connected, gate.blind]).toEqual([false, false]);
    const verified = await gate.verify('a');
    const { connection, ended } = aConnection(verified);
    gate.opened(connection, verified.checks);
    auth.storeAway = true;
    // Auth has not noticed yet: what it is asked fails.
    await beatUntil('blind', () => gate.blind);
    expect([gate.connected, auth.checked[0]]).toEqual([true, ['a']]);
    auth.blind = true;
    await beatUntil('heard', () => gate.blind);
    auth.storeAway = false;
    auth.invalid = ['a'];
    auth.blind = false;
    await beatUntil('sees again', () => gate.connected && !gate.blind);
    expect(ended).toEqual(['SESSION_REVOKED']);
    // And from then on only late ones.
    const asked = auth.checked.length;
    auth.blind = true;
    await beatUntil('blind again', () => gate.blind);
    auth.blind = false;
    await beatUntil('and sees', () => !gate.blind);
    expect([gate.connected, auth.checked.length]).toEqual([true, asked]);
  });

  test('gives a connection the limits of its new token, unless its origin is not listed any more', async () => {
    const { auth, gate } = open();
    const verified = await gate.verify('a');
    const { connection } = aConnection(verified, 'https://one.example');
    gate.opened(connection, verified.checks);
    auth.limits = { sendsPerSecond: 50 };
    gate.moved(connection, await gate.verify('b'));
    expect(connection.limits.sendsPerSecond).toBe(50);
    expect(connection.claims.sessionId).toBe('b');
    auth.allowedOrigins = ['https://two.example'];
    const elsewhere = await gate.verify('c');
    expect(() => gate.moved(connection, elsewhere)).toThrow(CaasError);
    expect(connection.claims.sessionId).toBe('b');
  });
});

describe('commands in work', () => {
  const open = async () => {
    let nowMs = 1_000_000;
    let looks = 0;
    const verifying: { token: string; answer: () => void }[] = [];
    const connections: Connection[] = [];
    const verified: Verified = { claims: aClaim('s'), limits: defaultLimits, allowedOrigins: [], checks: 0 };
    verified.claims.expiresAtMs = Number.MAX_SAFE_INTEGER;
    const node = {
      nodeId: 'n',
      bounds: { ...defaultBounds, drainMs: 1_000 },
      clock: {
        now: () => {
          looks++;
          return nowMs;
        },
      },
      logger: quiet,
      faults: { heard: () => undefined },
      audit: { record: () => undefined },
      reads: new ReadBudget(defaultBounds),
      contents: { expect: () => undefined },
      messages: { writer: { pending: 0, idle: async () => undefined } },
      policies: { follow: () => undefined },
      directory: { connect: async () => undefined, disconnect: () => false, becamePresent: () => false },
      ephemeral: { unwatch: () => undefined },
      gate: {
        verify: (token: string) =>
          token === 'entry'
            ? Promise.resolve(verified)
            : new Promise((resolve) => verifying.push({ token, answer: () => resolve(verified) })),
        opened: (connection: Connection) => connections.push(connection),
        closed: () => undefined,
        moved: () => undefined,
      },
    } as unknown as NodeServices;
    const edge = new Edge(node, new Turn(), {
      host: '127.0.0.1',
      port: 0,
      health: { ready: () => true, degraded: () => [] },
    });
    const { port } = await edge.listen();
    const client = new WebSocket(`ws://127.0.0.1:${port}`, 'caas.v1.json', {
      headers: { authorization: 'Bearer entry' },
    });
    const frames: string[] = [];
    let closed = 0;
    client.on('message', (data) => frames.push(String(data)));
    client.on('close', (code) => {
      closed = code;
    });
    await until('welcome', () => frames.length === 1);
    const renew = (id: string): void => client.send(JSON.stringify({ id, renewToken: { accessToken: id } }));
    return {
      edge,
      connection: connections[0] as Connection,
      frames,
      verifying,
      renew,
      closed: () => closed,
      /** How often the clock was looked at. */
      looks: () => looks,
      advance: (ms: number) => {
        nowMs += ms;
      },
    };
  };

  test('when a drain ends are answered before their connection is closed', async () => {
    const { edge, frames, verifying, renew, closed, advance, looks } = await open();
    renew('slow');
    await until('in work', () => verifying.length === 1);
    const drained = edge.drain();
    await until('told', () => frames.some((f) => f.includes('moving')));
    advance(1_001);
    const before = looks();
    await until('the drain is past its time and waits for what is in work', () => looks() > before + 5);
    expect(closed()).toBe(0);
    verifying[0]?.answer();
    await drained;
    await until('closed', closed);
    expect(closed()).toBe(4503);
    expect(frames.findIndex((f) => f.includes('"slow"'))).toBeGreaterThan(0);
    await edge.close();
  });

  test('that wait for their turn are not done when the session has ended', async () => {
    const { edge, connection, verifying, renew } = await open();
    renew('one');
    renew('two');
    await until('one in work, one waiting', () => verifying.length === 1 && connection.inFlight === 2);
    connection.end('SESSION_REVOKED', 'the session has ended');
    verifying[0]?.answer();
    await until('nothing in work', () => connection.inFlight === 0);
    expect(verifying).toHaveLength(1);
    await edge.close();
  });
});

describe('rates of a user who comes back', () => {
  const ratesUsedUp = () => {
    const rates = new Rates({ sendsPerSecond: 1, sendsBurst: 2, framesPerMinute: 60 });
    rates.sends.take(0);
    rates.sends.take(0);
    return rates;
  };

  test('go on where they were, for a minute', () => {
    let nowMs = 0;
    const kept = new KeptRates({ now: () => nowMs });
    kept.keep('u', ratesUsedUp());
    expect(kept.take('u')?.sends.take(0)).toBeGreaterThan(0);
    expect(kept.take('u')).toBeUndefined();
    kept.keep('u', ratesUsedUp());
    nowMs = 60_001;
    expect(kept.take('u')).toBeUndefined();
  });

  test('follow new limits without being refilled', () => {
    const { sends } = ratesUsedUp();
    sends.adjust(10, 2);
    expect(sends.take(0)).toBeGreaterThan(0);
    expect(sends.take(1_900)).toBe(0);
  });
});

describe('what others keep waiting is bounded', () => {
  test('envelopes to a node that does not take them are dropped and counted', () => {
    const sent: string[] = [];
    const inbox = {
      send: (nodeId: string) => {
        sent.push(nodeId);
        return new Promise<void>(() => undefined);
      },
    };
    const link = new NodeLink(
      inbox as never,
      'n',
      { seal: new EnvelopeSeal('the key of all nodes'), sealing: true },
      quiet,
    );
    const large = 512 * 1024;
    for (let i = 0; i < 66; i++) link.send('stuck', { entry: undefined }, large);
    link.send('other', { entry: undefined }, large);
    expect(sent.filter((node) => node === 'stuck')).toHaveLength(64);
    expect(link.lost).toBe(2);
    expect(sent.at(-1)).toBe('other');
  });

  test('a wait for a commit beyond the bound ends at once with DEADLINE_EXCEEDED, and room is made by commits', async () => {
    const watch = new CommitWatch({} as never, { now: () => 0 }, quiet);
    const wait = (conversationId: string): Promise<void> =>
      watch.committed({ tenantId: 't', conversationId }, 'topic', { partition: 0, offset: 1 }, 1_000);
    const waits = Array.from({ length: 50_000 }, (_, i) => wait(`c${i}`));
    await expect(wait('more')).rejects.toMatchObject({ reason: 'DEADLINE_EXCEEDED' });
    watch.applied('t', 'c7', { 'topic-0': 1 });
    await waits[7];
    const fits = wait('fits');
    watch.applied('t', 'fits', { 'topic-0': 1 });
    await fits;
  });
});
