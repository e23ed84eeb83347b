import { reasonNumber } from '@caas/kit';
import { describe, expect, test } from '@jest/globals';
import type { NodeServices } from '../commands/command.ts';
import { defaultBounds, defaultLimits } from '../limits.ts';
import type { Connection } from './connection.ts';
import { Dispatcher } from './dispatch.ts';
import { Rates } from './rates.ts';

const quiet = { debug: () => undefined, warn: () => undefined, info: () => undefined, error: () => undefined } as never;

describe('frames past all rates', () => {
  const open = (rates: Rates) => {
    const refused: { id: string; reason: number }[] = [];
    const ended: string[] = [];
    const connection = {
      subprotocol: 'caas.v1.json',
      limits: defaultLimits,
      rates,
      claims: { tenantId: 't', userId: 'u' },
      malformedFrames: 0,
      inFlight: 0,
      refuse: (id: string, { reason }: { reason: number }) => refused.push({ id, reason }),
      end: (reason: string) => ended.push(reason),
    };
    const node = { clock: { now: () => 0 }, bounds: { ...defaultBounds, maxRateRefusals: 400 }, logger: quiet };
    const dispatcher = new Dispatcher(node as unknown as NodeServices, connection as unknown as Connection);
    return { dispatcher, refused, ended };
  };
  const costly = Buffer.from(`{"id":"x","watchPresence":{"userIds":[${'1,'.repeat(30_000)}1]}}`);
  const limits = { sendsPerSecond: 10, sendsBurst: 10, framesPerMinute: 60 };

  test('are refused by their id, unread', () => {
    const { dispatcher, refused } = open(new Rates(limits));
    for (let i = 0; i < 200; i++) dispatcher.received(costly);
    const startedAt = performance.now();
    for (let i = 0; i < 200; i++) dispatcher.received(costly);
    const unreadMs = performance.now() - startedAt;
    const parsing = performance.now();
    for (let i = 0; i < 20; i++) JSON.parse(costly.toString());
    expect(unreadMs / 10).toBeLessThan(performance.now() - parsing);
    expect(refused).toHaveLength(400);
    expect(new Set(refused.map(({ id }) => id))).toEqual(new Set(['x']));
    expect(refused.at(-1)?.reason).toBe(reasonNumber('RATE_LIMITED'));
  });

  test('end every connection of the user from some number on, the next one too', () => {
    const rates = new Rates(limits);
    const first = open(rates);
    for (let i = 0; i < 400 + 60; i++) first.dispatcher.received(costly);
    expect(first.ended).toEqual(['RATE_LIMITED']);
    const second = open(rates);
    second.dispatcher.received(costly);
    expect(second.ended).toEqual(['RATE_LIMITED']);
  });
});
