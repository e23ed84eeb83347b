import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CaasError } from '@caas/kit';
import { ConfigError } from '@caas/kit/config';
import { newAuthority, newFolder } from '@caas/kit/testing/certificates';
import { afterEach, describe, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { openRedisKeyValue, openRedisNodeInbox, openRedisRateLimits } from './index.ts';
import { type RedisServer, type RedisServerOptions, startRedis } from './testing/redis-server.ts';
import { openSlowLink } from './testing/slow-link.ts';

const commandTimeoutMs = 200;
/** What a loaded machine may add to a bound, in milliseconds. */
const slackMs = 300;
const minuteMs = 60_000;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array | undefined): string | undefined => value && new TextDecoder().decode(value);

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});
const kept = <T extends { close(): Promise<void> }>(opened: T): T => {
  closing.push(() => opened.close());
  return opened;
};

const aRedis = async (options?: RedisServerOptions): Promise<RedisServer> => {
  const server = await startRedis(options);
  closing.push(() => server.dispose());
  return server;
};
const faults: unknown[] = [];
const optionsFor = ({ url }: { url: string }) => ({
  urls: [url],
  commandTimeoutMs,
  onFault: (fault: unknown) => void faults.push(fault),
});
const asAdmin = async ({ url }: RedisServer, ...command: [string, ...string[]]): Promise<unknown> => {
  const admin = new Redis(url);
  try {
    return await admin.call(...command);
  } finally {
    admin.disconnect();
  }
};

/** Repeats `work` until it succeeds; throws what it threw last after 10 s. Answers how long it took, in milliseconds. */
const untilWorks = async (work: () => Promise<unknown>): Promise<number> => {
  const begun = performance.now();
  for (;;) {
    try {
      await work();
      return performance.now() - begun;
    } catch (thrown) {
      if (performance.now() - begun > 10_000) throw thrown;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
};

/** The reason a call rejects with and after how many milliseconds. */
const refusal = async (work: () => Promise<unknown>): Promise<{ reason: string; afterMs: number; error: unknown }> => {
  const begun = performance.now();
  const error = await work().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  const reason = error instanceof CaasError ? error.reason : String(error);
  return { reason, afterMs: performance.now() - begun, error };
};

const openAll = async (server: { url: string }) => {
  const options = optionsFor(server);
  const keyValue = kept(await openRedisKeyValue(options));
  const inbox = kept(await openRedisNodeInbox(options));
  const limits = kept(await openRedisRateLimits(options));
  return { keyValue, inbox, limits };
};
const rule = { name: 'r', points: 2, windowMs: minuteMs };

describe('a Redis that loses everything', () => {
  test('FLUSHALL and SCRIPT FLUSH leave nothing behind and break nothing', async () => {
    const server = await aRedis();
    const { keyValue, inbox, limits } = await openAll(server);
    const heard: string[] = [];
    await inbox.listen('node-1', (envelope) => heard.push(text(envelope) as string));
    const entry = { key: 'interest:t:c', member: 'node-1' };
    for (let round = 0; round < 3; round += 1) {
      await keyValue.set('node:1', bytes('1'), minuteMs);
      expect(await keyValue.addToSets([entry], minuteMs)).toEqual([true]);
      expect(await limits.take(rule, 'k', 2)).toMatchObject({ allowed: true, remaining: 0 });
      await inbox.send('node-1', bytes(`${round}`));
      await asAdmin(server, 'FLUSHALL');
      await asAdmin(server, 'SCRIPT', 'FLUSH');
      expect(await keyValue.get('node:1')).toBeUndefined();
      expect(await keyValue.membersOf([entry.key])).toEqual([[]]);
    }
    await untilWorks(async () => expect(heard).toEqual(['0', '1', '2']));
  });

  test('a set never outlives its members’ time: its time to live comes with its first member', async () => {
    const server = await aRedis();
    const { keyValue, limits } = await openAll(server);
    await keyValue.addToSets([{ key: 's', member: 'm' }], minuteMs);
    await limits.take(rule, 'k', 0);
    for (const key of ['s', 'rate:r:k']) expect(await asAdmin(server, 'PTTL', key)).toBeGreaterThan(0);
    await keyValue.addToSets([{ key: 's', member: 'n' }], 10);
    expect(await asAdmin(server, 'PTTL', 's')).toBeGreaterThan(minuteMs / 2);
  });

  test('a member whose time has passed leaves the set with the next that comes', async () => {
    const server = await aRedis();
    const { keyValue } = await openAll(server);
    await keyValue.addToSets([{ key: 's', member: 'dead' }], 10);
    await untilWorks(async () => {
      await keyValue.addToSets([{ key: 's', member: 'living' }], minuteMs);
      expect(await asAdmin(server, 'ZRANGE', 's', '0', '-1')).toEqual(['living']);
    });
  });
});

describe('a Redis that is away', () => {
  test('calls are refused at once after a kill -9, and work again soon after its port is open', async () => {
    const server = await aRedis();
    const { keyValue, inbox, limits } = await openAll(server);
    const heard: string[] = [];
    await inbox.listen('node-1', (envelope) => heard.push(text(envelope) as string));
    for (let round = 0; round < 3; round += 1) {
      const underWay = Array.from({ length: 100 }, (_, i) =>
        refusal(() => keyValue.set(`k${i}`, bytes('x'), minuteMs)),
      );
      await server.kill();
      for (const { afterMs } of await Promise.all(underWay)) expect(afterMs).toBeLessThan(commandTimeoutMs + slackMs);
      for (const work of [
        () => keyValue.get('k'),
        () => keyValue.addToSets([{ key: 's', member: 'm' }], minuteMs),
        () => limits.take(rule, 'k'),
        () => inbox.send('node-1', bytes('lost')),
      ]) {
        const { reason, afterMs } = await refusal(work);
        expect(reason).toBe('UNAVAILABLE');
        expect(afterMs).toBeLessThan(commandTimeoutMs + slackMs);
      }
      await server.start();
      const back = await Promise.all([
        untilWorks(() => keyValue.set('k', bytes('x'), minuteMs)),
        untilWorks(() => limits.take(rule, 'k')),
        untilWorks(async () => {
          await inbox.send('node-1', bytes(`${round}`));
          expect(heard).toContain(`${round}`);
        }),
      ]);
      console.info(`back after ms: ${back.map(Math.round).join(' ')}`);
      expect(Math.max(...back)).toBeLessThan(100 + slackMs);
    }
    expect(heard).not.toContain('lost');
  });

  test('calls end in time while it is stopped, what waits is bounded, and it recovers', async () => {
    const server = await aRedis();
    const { inbox, limits } = await openAll(server);
    const keyValue = kept(await openRedisKeyValue({ ...optionsFor(server), maxPendingBytes: 10_000 }));
    const heard: string[] = [];
    await inbox.listen('node-1', (envelope) => heard.push(text(envelope) as string));
    server.signal('SIGSTOP');
    const waiting = Array.from({ length: 200 }, (_, i) => refusal(() => keyValue.set(`k${i}`, bytes('x'), minuteMs)));
    const ended = await Promise.all([
      ...waiting,
      refusal(() => limits.take(rule, 'k')),
      refusal(() => inbox.send('node-1', bytes('x'))),
    ]);
    expect(new Set(ended.map(({ reason }) => reason))).toEqual(new Set(['UNAVAILABLE', 'OVERLOADED']));
    for (const { afterMs } of ended) expect(afterMs).toBeLessThan(commandTimeoutMs + slackMs);
    const overloaded = ended.filter(({ reason }) => reason === 'OVERLOADED');
    expect(overloaded.length).toBeGreaterThan(50);
    // The stopped one takes no part in a second try either.
    expect((await refusal(() => keyValue.get('k'))).afterMs).toBeLessThan(commandTimeoutMs + slackMs);
    server.signal('SIGCONT');
    const back = await untilWorks(async () => {
      await keyValue.set('k', bytes('x'), minuteMs);
      await limits.take(rule, 'k');
      await inbox.send('node-1', bytes('again'));
      expect(heard).toContain('again');
    });
    console.info(`back after ms: ${Math.round(back)}`);
    expect(back).toBeLessThan(commandTimeoutMs + 2 * slackMs);
  });

  test('an answer that trickles in does not hold its call for longer', async () => {
    const server = await aRedis();
    const { keyValue } = await openAll(server);
    await keyValue.set('k', new Uint8Array(12 * 1024), minuteMs);
    const link = await openSlowLink(server.port);
    closing.push(async () => link.close());
    // INFO, with which the client begins, trickles too.
    const slow = kept(await openRedisKeyValue(optionsFor({ url: `redis://127.0.0.1:${link.port}` })));
    await untilWorks(() => slow.get('absent'));
    const { reason, afterMs, error } = await refusal(() => slow.get('k'));
    expect(reason).toBe('UNAVAILABLE');
    expect(error).toMatchObject({ details: { limit: 'commandTimeoutMs' } });
    expect(afterMs).toBeLessThan(commandTimeoutMs + slackMs);
  });

  test('adapters open while it is away, in time, and work when it comes', async () => {
    const server = await aRedis();
    await server.kill();
    const begun = performance.now();
    const { keyValue } = await openAll(server);
    // Four connections, one after the other.
    expect(performance.now() - begun).toBeLessThan(4 * commandTimeoutMs + slackMs);
    expect((await refusal(() => keyValue.get('k'))).reason).toBe('UNAVAILABLE');
    await server.start();
    await untilWorks(() => keyValue.get('k'));
  });

  test('listening begins while it is away or stopped, in time, and hears when it is there', async () => {
    const server = await aRedis();
    await server.kill();
    const { inbox } = await openAll(server);
    const heard: string[] = [];
    const listen = async (nodeId: string): Promise<void> => {
      const begun = performance.now();
      faults.length = 0;
      await inbox.listen(nodeId, (envelope) => heard.push(`${nodeId} ${text(envelope)}`));
      expect(performance.now() - begun).toBeLessThan(commandTimeoutMs + slackMs);
      expect(faults).toContainEqual(expect.objectContaining({ reason: 'UNAVAILABLE' }));
    };
    await listen('node-1');
    await server.start();
    const hears = (nodeId: string) =>
      untilWorks(async () => {
        await inbox.send(nodeId, bytes('here'));
        expect(heard).toContain(`${nodeId} here`);
      });
    await hears('node-1');
    server.signal('SIGSTOP');
    await listen('node-2');
    server.signal('SIGCONT');
    await Promise.all([hears('node-1'), hears('node-2')]);
  });

  test('a lost connection is told of once, not with every try', async () => {
    const server = await aRedis();
    const keyValue = kept(await openRedisKeyValue(optionsFor(server)));
    faults.length = 0;
    await server.kill();
    const deadline = Date.now() + 500;
    while (Date.now() < deadline) await refusal(() => keyValue.get('k'));
    expect(faults.length).toBeLessThanOrEqual(1);
    await server.start();
    await untilWorks(() => keyValue.get('k'));
  });
});

test('a reader that only waits finds out that the other side is gone', async () => {
  const server = await aRedis();
  const { inbox } = await openAll(server);
  const heard: string[] = [];
  await inbox.listen('node-1', (envelope) => heard.push(text(envelope) as string));
  faults.length = 0;
  server.signal('SIGSTOP');
  // Nobody sends: only the heartbeat can tell.
  await untilWorks(async () => expect(faults.map(String).join()).toMatch(/Socket timeout/));
  server.signal('SIGCONT');
  await untilWorks(async () => {
    await inbox.send('node-1', bytes('again'));
    expect(heard).toContain('again');
  });
});

describe('a Redis without memory', () => {
  test('refuses writes with OVERLOADED and goes on reading and removing', async () => {
    const server = await aRedis({ args: ['--maxmemory', '3mb', '--maxmemory-policy', 'noeviction'] });
    const { keyValue, inbox, limits } = await openAll(server);
    await keyValue.set('first', bytes('kept'), minuteMs);
    let stored = 0;
    // Until not even a small one fits.
    for (const size of [100_000, 1_000, 1]) {
      let error: unknown;
      while (error === undefined && stored < 10_000)
        ({ error } = await refusal(() => keyValue.set(`filler${stored++}`, new Uint8Array(size), minuteMs)));
      expect(error).toMatchObject({ reason: 'OVERLOADED', details: { limit: 'maxmemory' } });
    }
    expect((await refusal(() => keyValue.addToSets([{ key: 's', member: 'm' }], minuteMs))).reason).toBe('OVERLOADED');
    expect((await refusal(() => limits.take(rule, 'k'))).reason).toBe('OVERLOADED');
    expect(text(await keyValue.get('first'))).toBe('kept');
    await inbox.send('node-1', bytes('x'));
    await keyValue.removeFromSets([{ key: 's', member: 'm' }]);
    await asAdmin(server, 'DEL', ...Array.from({ length: stored }, (_, i) => `filler${i}`));
    await keyValue.set('again', bytes('x'), minuteMs);
  });
});

describe('node inboxes of several processes', () => {
  test('50,000 envelopes of another process arrive in order, each once', async () => {
    const server = await aRedis();
    const { inbox } = await openAll(server);
    const count = 50_000;
    let next = 0;
    let wrong = 0;
    await inbox.listen('node-1', (envelope) => {
      if (Buffer.from(envelope).readUInt32BE() !== next) wrong += 1;
      next += 1;
    });
    const begun = performance.now();
    const sender = spawn(
      process.execPath,
      ['-C', '@caas/source', join(import.meta.dirname, 'testing/inbox-sender.ts'), server.url, 'node-1', `${count}`],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    );
    const [code] = await once(sender, 'exit');
    expect(code).toBe(0);
    await untilWorks(async () => expect(next).toBe(count));
    expect(wrong).toBe(0);
    console.info(`${count} envelopes in ${Math.round(performance.now() - begun)} ms`);
  });

  test('a node that comes back elsewhere takes over, and the one it left behind is told', async () => {
    const server = await aRedis();
    const old = kept(await openRedisNodeInbox(optionsFor(server)));
    const { inbox } = await openAll(server);
    const ghost: string[] = [];
    const node: string[] = [];
    const stopGhost = await old.listen('node-1', (envelope) => ghost.push(text(envelope) as string));
    await inbox.send('node-1', bytes('a'));
    await untilWorks(async () => expect(ghost).toEqual(['a']));
    faults.length = 0;
    await inbox.listen('node-1', (envelope) => node.push(text(envelope) as string));
    await untilWorks(async () => expect(faults).toMatchObject([{ reason: 'FAILED_PRECONDITION' }]));
    await stopGhost();
    await old.send('node-1', bytes('b'));
    await untilWorks(async () => expect(node).toEqual(['b']));
    expect(ghost).toEqual(['a']);
  });

  test('of two that come at once one goes on', async () => {
    const server = await aRedis();
    const inboxes = await Promise.all([1, 2].map(async () => kept(await openRedisNodeInbox(optionsFor(server)))));
    for (let round = 0; round < 20; round += 1) {
      const heard: [string[], string[]] = [[], []];
      const nodeId = `node-${round}`;
      faults.length = 0;
      await Promise.all(
        inboxes.map((inbox, i) => inbox.listen(nodeId, (envelope) => heard[i]?.push(text(envelope) as string))),
      );
      await untilWorks(async () => expect(faults).toHaveLength(1));
      await inboxes[0]?.send(nodeId, bytes('x'));
      await untilWorks(async () => expect(heard.flat()).toEqual(['x']));
    }
  });
});

test('a user or password that Redis refuses is said plainly at the start', async () => {
  const server = await aRedis({ acl: ['user default off', 'user me on >right ~* &* +@all'] });
  const as = (user: string, password: string) =>
    optionsFor({ url: `redis://${user}:${password}@127.0.0.1:${server.port}` });
  await expect(openRedisKeyValue(as('me', 'wrong'))).rejects.toThrow(ConfigError);
  await expect(openRedisNodeInbox(as('nobody', 'right'))).rejects.toThrow(/refuses the user or the password/);
  await expect(openRedisRateLimits(optionsFor(server))).rejects.toThrow(ConfigError);
  kept(await openRedisKeyValue(as('me', 'right')));
});

test('TLS: the server must be known, by a CA of the machine or by the one given', async () => {
  const dir = newFolder();
  const authority = newAuthority();
  authority.issue(dir, 'localhost');
  const server = await aRedis({
    args: ['--tls-auth-clients', 'no', '--tls-ca-cert-file', authority.caFile].concat([
      '--tls-cert-file',
      join(dir, 'localhost.pem'),
      '--tls-key-file',
      join(dir, 'localhost.key'),
    ]),
    tls: true,
  });
  const url = `rediss://localhost:${server.port}`;
  const keyValue = kept(
    await openRedisKeyValue({ ...optionsFor({ url }), tls: { ca: readFileSync(authority.caFile) } }),
  );
  await keyValue.set('k', bytes('sealed'), minuteMs);
  expect(text(await keyValue.get('k'))).toBe('sealed');
  faults.length = 0;
  const unknown = kept(await openRedisKeyValue(optionsFor({ url })));
  expect((await refusal(() => unknown.get('k'))).reason).toBe('UNAVAILABLE');
  expect(faults.map(String).join()).toMatch(/certificate/);
});
